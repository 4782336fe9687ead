//! What the tests do with an [`Authority`] and its documents: wrong ones of every kind, and verdicts on them.

use crate::authority::{Authority, Draft, NOW, at, document};
use attestation::{Code, Document, Genuine, Refusal, verify};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair};

/// More places of the chain.
pub(crate) const REGIONAL: usize = 1;
pub(crate) const ZONAL: usize = 2;
pub(crate) const INSTANCE: usize = 3;

impl Authority {
    /// `draft` as a document, signed by the leaf.
    pub(crate) fn sign(&self, draft: &Draft) -> Vec<u8> {
        let payload = draft.payload();
        document(&payload, &self.signature(&payload))
    }

    /// The certificate of what is to be signed (a TBSCertificate), with the signature of the key of `by`.
    pub(crate) fn certify(&self, signed: &[u8], by: usize) -> Vec<u8> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &self.keys[by].serialize_der());
        let signature = key.unwrap().sign(&SystemRandom::new(), signed).unwrap();
        let bits = [&[3, 1 + signature.as_ref().len() as u8, 0], signature.as_ref()].concat();
        let algorithm = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"; // ecdsa-with-SHA384
        let content = [signed, algorithm, &bits].concat();
        [&[0x30, 0x82], &(content.len() as u16).to_be_bytes()[..], &content].concat()
    }

    /// Verifies `draft` as a document of the chain that it brings, whose root is trusted.
    pub(crate) fn verify(&self, draft: &Draft) -> Result<Genuine, Refusal> {
        verify(&self.sign(draft), std::slice::from_ref(&draft.root), at(NOW))
    }

    /// Verifies a right document under these certificates.
    pub(crate) fn verify_chain(&self) -> Result<Genuine, Refusal> {
        self.verify(&self.draft())
    }
}

impl Draft {
    pub(crate) fn with(&self, key: &str, value: Vec<u8>) -> Self {
        let mut draft = self.clone();
        draft.set(key, value);
        draft
    }

    pub(crate) fn without(&self, key: &str) -> Self {
        let mut draft = self.clone();
        draft.fields.retain(|(name, _)| name != key);
        draft
    }
}

/// What was signed of a certificate of this authority, whose length has two bytes.
pub(crate) fn signed_part(certificate: &[u8]) -> &[u8] {
    let length = usize::from(u16::from_be_bytes([certificate[6], certificate[7]]));
    &certificate[4..8 + length]
}

/// The code of a refusal; an acceptance fails the test.
#[track_caller]
pub(crate) fn code<T>(result: Result<T, Refusal>) -> Code {
    match result {
        Ok(_) => panic!("accepted"),
        Err(refusal) => refusal.kind(),
    }
}

/// A parsed, unverified document.
pub(crate) fn parsed(document: &[u8]) -> Document {
    Document::parse_unverified(document).unwrap()
}

/// The order of P-384's group (SEC 2, 2.5.1).
pub(crate) fn p384_order() -> Vec<u8> {
    hex::decode(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    )
    .unwrap()
}

/// s := n - s: the other of the two signatures that verify, low for high and high for low.
pub(crate) fn negate_scalar(s: &mut [u8]) {
    let mut borrow = 0;
    for (byte, order) in s.iter_mut().zip(p384_order()).rev() {
        let difference = i32::from(order) - i32::from(*byte) - borrow;
        borrow = i32::from(difference < 0);
        *byte = difference.rem_euclid(256) as u8;
    }
}
