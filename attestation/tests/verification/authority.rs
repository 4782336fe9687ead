//! A certificate authority shaped as AWS's, and documents that it signs.

use attestation::{Pcr, Root, pcr4_of};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use minicbor::Encoder;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384,
};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;

/// The verifier's time in these tests, in Unix seconds.
pub(crate) const NOW: u64 = 1_800_000_000;

/// The leaf is valid for three hours from here.
pub(crate) const LEAF_START: u64 = NOW - 600;
pub(crate) const LEAF_END: u64 = LEAF_START + 3 * 3600;

/// Places of the chain.
pub(crate) const ROOT: usize = 0;
pub(crate) const LEAF: usize = 4;

pub(crate) const INSTANCE_ID: &str = "i-0123456789abcdef0";

pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Five certificates to be, which a test may change before they are issued.
pub(crate) struct Authority {
    pub(crate) params: Vec<CertificateParams>,
    pub(crate) keys: Vec<KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let names = ["TEST root", "regional", "zonal", INSTANCE_ID, "leaf"];
        let keys = names
            .iter()
            .map(|_| KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap())
            .collect();
        let path_lengths = [
            BasicConstraints::Unconstrained,
            BasicConstraints::Constrained(2),
            BasicConstraints::Constrained(1),
            BasicConstraints::Constrained(0),
        ];
        let mut params: Vec<_> = names.iter().map(|name| named(name)).collect();
        for (authority, path_length) in params.iter_mut().zip(path_lengths) {
            authority.is_ca = IsCa::Ca(path_length);
            authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        }
        params[LEAF].is_ca = IsCa::ExplicitNoCa;
        params[LEAF].key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params[LEAF].not_before = OffsetDateTime::from_unix_timestamp(LEAF_START as i64).unwrap();
        params[LEAF].not_after = OffsetDateTime::from_unix_timestamp(LEAF_END as i64).unwrap();
        Self { params, keys }
    }

    /// The certificates in DER, each signed by the one before it.
    pub(crate) fn issue(&self) -> Vec<Vec<u8>> {
        (0..self.params.len())
            .map(|place| self.issue_one(place, place.saturating_sub(1)))
            .collect()
    }

    /// The certificate of `place`, signed by the one of `by`.
    pub(crate) fn issue_one(&self, place: usize, by: usize) -> Vec<u8> {
        let issuer = Issuer::from_params(&self.params[by], &self.keys[by]);
        self.params[place]
            .signed_by(&self.keys[place], &issuer)
            .unwrap()
            .der()
            .to_vec()
    }

    /// A right document of this authority, to be changed or signed.
    pub(crate) fn draft(&self) -> Draft {
        Draft::new(&self.issue())
    }

    pub(crate) fn leaf_key(&self) -> EcdsaKeyPair {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &self.keys[LEAF].serialize_der()).unwrap()
    }

    pub(crate) fn signature(&self, payload: &[u8]) -> Vec<u8> {
        self.signature_under(ES384, payload)
    }

    /// The leaf's signature over `payload` under any protected header.
    pub(crate) fn signature_under(&self, protected: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut signed = Encoder::new(Vec::new());
        signed
            .array(4)
            .unwrap()
            .str("Signature1")
            .unwrap()
            .bytes(protected)
            .unwrap();
        signed.bytes(b"").unwrap().bytes(payload).unwrap();
        let signature = self
            .leaf_key()
            .sign(&SystemRandom::new(), &signed.into_writer())
            .unwrap();
        signature.as_ref().to_vec()
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = OffsetDateTime::from_unix_timestamp(NOW as i64 - 3600).unwrap();
    params.not_after = OffsetDateTime::from_unix_timestamp(NOW as i64 + 86_400).unwrap();
    params
}

/// The protected header, `{1: -35}`.
pub(crate) const ES384: &[u8] = b"\xa1\x01\x38\x22";

/// A COSE_Sign1 with the right headers.
pub(crate) fn document(payload: &[u8], signature: &[u8]) -> Vec<u8> {
    [
        b"\x84".as_slice(),
        &bytes(ES384),
        b"\xa0",
        &bytes(payload),
        &bytes(signature),
    ]
    .concat()
}

/// The payload to be: keys and encoded values, in their order.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) indefinite: bool,
    /// The root of the chain that it brings.
    pub(crate) root: Root,
}

impl Draft {
    /// A payload with a chain of five certificates or, to be wrong, another number of them.
    pub(crate) fn new(certificates: &[Vec<u8>]) -> Self {
        let (leaf, bundle) = certificates.split_last().unwrap();
        let root = Root::from_der(&bundle[ROOT]).unwrap_or_else(|_| Root::aws_nitro());
        let mut draft = Self {
            fields: Vec::new(),
            indefinite: false,
            root,
        };
        draft.set("module_id", text(&format!("{INSTANCE_ID}-enc0123456789abcdef")));
        draft.set("digest", text("SHA384"));
        draft.set("timestamp", uint(NOW * 1000));
        draft.set("pcrs", pcrs(&pcr_values()));
        draft.set("certificate", bytes(leaf));
        draft.set("cabundle", bundle_of(bundle));
        draft.set("public_key", null());
        draft.set("user_data", bytes(b"user data"));
        draft.set("nonce", bytes(b"nonce"));
        draft
    }

    pub(crate) fn set(&mut self, key: &str, value: Vec<u8>) {
        match self.fields.iter_mut().find(|(name, _)| name == key) {
            Some(field) => field.1 = value,
            None => self.push(key, value),
        }
    }

    pub(crate) fn push(&mut self, key: &str, value: Vec<u8>) {
        self.fields.push((key.into(), value));
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        let mut payload = Encoder::new(Vec::new());
        if self.indefinite {
            payload.begin_map().unwrap();
        } else {
            payload.map(self.fields.len() as u64).unwrap();
        }
        for (key, value) in &self.fields {
            payload.str(key).unwrap();
            payload.writer_mut().extend_from_slice(value);
        }
        if self.indefinite {
            payload.end().unwrap();
        }
        payload.into_writer()
    }
}

/// PCR 0 to 2 measured, 3 and 8 zero, 4 the instance's.
pub(crate) fn pcr_values() -> Vec<(u64, Vec<u8>)> {
    let measured: [Pcr; 5] = [[0x10; 48], [0x11; 48], [0x12; 48], [0; 48], pcr4_of(INSTANCE_ID)];
    let mut values: Vec<_> = (0..).zip(measured.map(|pcr| pcr.to_vec())).collect();
    values.push((8, vec![0; 48]));
    values
}

pub(crate) fn bytes(value: &[u8]) -> Vec<u8> {
    encoded(|encoder| {
        encoder.bytes(value).unwrap();
    })
}

pub(crate) fn text(value: &str) -> Vec<u8> {
    encoded(|encoder| {
        encoder.str(value).unwrap();
    })
}

pub(crate) fn uint(value: u64) -> Vec<u8> {
    encoded(|encoder| {
        encoder.u64(value).unwrap();
    })
}

pub(crate) fn null() -> Vec<u8> {
    encoded(|encoder| {
        encoder.null().unwrap();
    })
}

pub(crate) fn pcrs(values: &[(u64, Vec<u8>)]) -> Vec<u8> {
    encoded(|encoder| {
        encoder.map(values.len() as u64).unwrap();
        for (index, value) in values {
            encoder.u64(*index).unwrap().bytes(value).unwrap();
        }
    })
}

pub(crate) fn bundle_of(certificates: &[Vec<u8>]) -> Vec<u8> {
    encoded(|encoder| {
        encoder.array(certificates.len() as u64).unwrap();
        for certificate in certificates {
            encoder.bytes(certificate).unwrap();
        }
    })
}

fn encoded(write: impl FnOnce(&mut Encoder<Vec<u8>>)) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    write(&mut encoder);
    encoder.into_writer()
}
