//! Evidence of development enclaves, as a real agent makes it: launch digest in PCR16, statement's digest in the
//! document's user data.
#![allow(clippy::unwrap_used)]
#![allow(dead_code)] // each test program uses its part

use attestation::{Root, pcr4_of};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::Expectation;
use contract::RecordId;
use contract::item;
use contract::launch::LaunchMessage;
use contract::request::EnclaveRequest;
use contract::statement::{self, Health, HealthState, Statement};
use nsm::development::{Authority, Measurements, Module, ModuleId};
use nsm::{AttestationFields, Nsm};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

pub(crate) const INSTANCE: &str = "i-0123456789abcdef0";

/// A CA whose directory is gone as soon as it is open: it lives in memory from there on.
pub(crate) static AUTHORITY: LazyLock<Arc<Authority>> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    Arc::new(Authority::open(directory.path()).unwrap())
});

pub(crate) fn roots() -> Vec<Root> {
    vec![
        Root::aws_nitro(),
        Root::from_pem(AUTHORITY.certificate_pem()).unwrap(),
    ]
}

/// An enclave to be, with what it will say.
#[derive(Clone)]
pub(crate) struct Enclave {
    pub(crate) record_id: String,
    pub(crate) generation: u64,
    pub(crate) bundle: String,
    pub(crate) image_digest: String,
    pub(crate) instance: String,
    pub(crate) nonce: Vec<u8>,
    pub(crate) debug: bool,
    /// PCR 0, 1 and 2.
    pub(crate) measured: [[u8; 48]; 3],
    /// PCR8 of a signed image.
    pub(crate) signer: Option<[u8; 48]>,
    /// What is extended into PCR16 and named in the statement.
    pub(crate) extended: Option<[u8; 48]>,
}

pub(crate) struct Evidence {
    pub(crate) statement: Vec<u8>,
    pub(crate) document: Vec<u8>,
}

impl Default for Enclave {
    fn default() -> Self {
        Self {
            record_id: "enc_1".into(),
            generation: 3,
            bundle: format!("sha256:{}", "0b".repeat(32)),
            image_digest: format!("sha256:{}", "1a".repeat(32)),
            instance: INSTANCE.into(),
            nonce: vec![7; 32],
            debug: false,
            measured: [[0x10; 48], [0x11; 48], [0x12; 48]],
            signer: None,
            extended: None,
        }
    }
}

impl Enclave {
    /// The row that asks for it, without what the pipeline writes.
    pub(crate) fn request(&self) -> Value {
        json!({
            "id": self.record_id, "status": "DEPLOYED", "generation": self.generation, "region": "eu-west-1",
            "providerConfig": {
                "dockerImage": "registry/app:1", "cpuCount": "2", "memoryMiB": "1024",
                "environmentVariables": "{\"KEY\":\"value\"}", "exposePorts": ["8080"], "enableDebug": self.debug,
            },
        })
    }

    pub(crate) fn launch_message(&self) -> LaunchMessage {
        let item = item::read(&self.request().to_string()).unwrap();
        let id = RecordId::parse(&self.record_id).unwrap();
        EnclaveRequest::read(&item, "eu-west-1")
            .unwrap()
            .launch_message(&id, self.generation, &self.bundle)
    }

    pub(crate) fn statement(&self) -> Statement {
        Statement {
            kind: statement::TYPE.into(),
            record_id: self.record_id.clone(),
            generation: self.generation,
            launch_digest: self.launch_message().digest(),
            image_digest: self.image_digest.clone(),
            boot_id: [5; 16],
            sequence: 9,
            health: Health {
                state: HealthState::Healthy,
                restarts: 0,
                last_exit: None,
                ended: false,
                detail: String::new(),
            },
            tls_key_digest: None,
            clock_ms: 1,
        }
    }

    /// Boots it and challenges it.
    pub(crate) fn evidence(&self) -> Evidence {
        let statement = self.statement().encode();
        let document = self.document(Statement::user_data(&statement).to_vec());
        Evidence { statement, document }
    }

    pub(crate) fn document(&self, user_data: Vec<u8>) -> Vec<u8> {
        let [pcr0, pcr1, pcr2] = self.measured;
        let measurements = Measurements {
            pcr0,
            pcr1,
            pcr2,
            pcr8: self.signer,
        };
        let id = ModuleId::generate(&self.instance).unwrap();
        let mut module = Module::new(AUTHORITY.clone(), id, &measurements, self.debug).unwrap();
        let launch_digest = self.extended.unwrap_or_else(|| self.launch_message().digest());
        module.extend_pcr(16, &launch_digest).unwrap();
        module.lock_pcrs(17).unwrap();
        let fields = AttestationFields {
            user_data: Some(user_data),
            nonce: Some(self.nonce.clone()),
            public_key: None,
        };
        module.attestation(fields).unwrap()
    }

    /// What a pipeline that ordered it expects.
    pub(crate) fn expectation(&self) -> Expectation {
        Expectation {
            record_id: Some(self.record_id.clone()),
            generation: Some(self.generation),
            instance_id: Some(self.instance.clone()),
            image_digest: Some(self.image_digest.clone()),
            launch_digest: Some(self.launch_message().digest()),
            pcrs: self.pcrs(),
            nonces: vec![vec![1; 32], self.nonce.clone()],
            max_age: Some(Duration::from_secs(120)),
            allow_debug: false,
            ..Expectation::default()
        }
    }

    pub(crate) fn pcrs(&self) -> BTreeMap<u8, Vec<[u8; 48]>> {
        let mut pcrs: BTreeMap<_, _> = (0..).zip(self.measured.map(|value| vec![value])).collect();
        pcrs.insert(4, vec![pcr4_of(&self.instance)]);
        pcrs.insert(16, vec![self.launch_message().pcr16()]);
        pcrs
    }

    /// The row with its evidence, in plain JSON.
    pub(crate) fn row(&self, evidence: &Evidence) -> Value {
        let mut row = self.request();
        row["expected"] = json!({
            "generation": self.generation, "imageDigest": self.image_digest, "bundle": self.bundle, "pcrs": {},
            "instanceId": self.instance, "challenge": hex::encode(&self.nonce),
        });
        row["attestation"] = json!({
            "state": "ATTESTED",
            "statement": STANDARD.encode(&evidence.statement),
            "document": STANDARD.encode(&evidence.document),
        });
        row
    }
}
