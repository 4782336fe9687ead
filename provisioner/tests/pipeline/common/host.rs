//! A host's enclave, with a development secure module: its documents are real.

use super::{AUTHORITY, REGION};
use contract::report::{EnclaveName, Endpoint, Phase, Report};
use contract::request::EnclaveRequest;
use contract::row::Row;
use contract::statement::{self, Health, HealthState, Statement};
use nsm::development::{Measurements, Module, ModuleId};
use nsm::{AttestationFields, Nsm};
use std::time::{SystemTime, UNIX_EPOCH};

pub struct Enclave {
    pub module: Module,
    pub statement: Statement,
    pub challenge: Vec<u8>,
}

/// How a host launches an enclave, and what a hostile one does otherwise.
pub struct Launch {
    pub instance: String,
    pub debug: bool,
    pub pcr0: [u8; 48],
    pub record_id: String,
    pub generation: u64,
}

impl Launch {
    pub fn of(row: &Row) -> Self {
        let expected = row.current_expectation().unwrap();
        Self {
            instance: expected.instance_id.clone(),
            debug: false,
            pcr0: hex::decode(&expected.pcrs["0"]).unwrap().try_into().unwrap(),
            record_id: row.id.to_string(),
            generation: row.generation,
        }
    }

    pub fn enclave(self, row: &Row) -> Enclave {
        let expected = row.current_expectation().unwrap();
        let pcr = |index: &str| hex::decode(&expected.pcrs[index]).unwrap().try_into().unwrap();
        let measurements = Measurements {
            pcr0: self.pcr0,
            pcr1: pcr("1"),
            pcr2: pcr("2"),
            pcr8: None,
        };
        let id = ModuleId::generate(&self.instance).unwrap();
        let mut module = Module::new(AUTHORITY.clone(), id, &measurements, self.debug).unwrap();
        let record = contract::RecordId::parse(&self.record_id).unwrap();
        let request = EnclaveRequest::read(&row.item, REGION).unwrap();
        let launch = request.launch_message(&record, self.generation, &expected.bundle);
        module.extend_pcr(16, &launch.digest()).unwrap();
        module.lock_pcrs(17).unwrap();
        let mut boot_id = [0; 16];
        aws_lc_rs::rand::fill(&mut boot_id).unwrap();
        Enclave {
            module,
            statement: Statement {
                kind: statement::TYPE.into(),
                record_id: self.record_id,
                generation: self.generation,
                launch_digest: launch.digest(),
                image_digest: expected.image_digest.clone(),
                boot_id,
                sequence: 0,
                health: healthy(),
                tls_key_digest: None,
                clock_ms: 0,
            },
            challenge: hex::decode(&expected.challenge).unwrap(),
        }
    }
}

impl Enclave {
    pub fn launch(row: &Row) -> Self {
        Launch::of(row).enclave(row)
    }

    /// The next statement with this health, its document, and a report of both.
    pub fn report(&mut self, health: Health) -> Report {
        self.statement.health = health;
        self.statement.sequence += 1;
        self.same_report()
    }

    /// A report of the statement as it stands.
    pub fn same_report(&mut self) -> Report {
        let statement = self.statement.encode();
        let fields = AttestationFields {
            user_data: Some(Statement::user_data(&statement).to_vec()),
            nonce: Some(self.challenge.clone()),
            public_key: None,
        };
        let document = self.module.attestation(fields).unwrap();
        Report {
            statement: Some(statement),
            document: Some(document),
            enclave: Some(EnclaveName {
                enclave_id: "i-liar-enc0".into(),
                cid: 16,
            }),
            endpoints: vec![Endpoint {
                port: 80,
                address: "127.0.0.1:4000".into(),
            }],
            ..report(
                &self.statement.record_id,
                self.statement.generation,
                Phase::Running,
            )
        }
    }
}

pub fn report(id: &str, generation: u64, phase: Phase) -> Report {
    Report {
        id: id.into(),
        generation,
        phase,
        statement: None,
        document: None,
        enclave: None,
        endpoints: Vec::new(),
        reason: None,
        log_tail: None,
        daemon_version: "0.1.0".into(),
        reported_at: now_ms(),
    }
}

pub fn healthy() -> Health {
    Health {
        state: HealthState::Healthy,
        restarts: 0,
        last_exit: None,
        ended: false,
        detail: String::new(),
    }
}

pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}
