//! What a document's `user_data` or `public_key` is bound to.

use crate::crypto;
use crate::refusal::quote_bytes;
use std::fmt;
use subtle::ConstantTimeEq;

/// What is expected of a field of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// The field is exactly these bytes.
    Bytes(Vec<u8>),
    /// The field's SHA-256 is this: the usual fingerprint of a public key.
    Sha256([u8; 32]),
    /// The field's SHA-384 is this.
    Sha384([u8; 48]),
}

impl Binding {
    /// The field is the SHA-256 of `content`, which the enclave hashed since it was too long or not public.
    #[must_use]
    pub fn sha256_of(content: &[u8]) -> Self {
        Self::Bytes(crypto::default().sha256(content).into())
    }

    /// The field is the SHA-384 of `content`, which the enclave hashed since it was too long or not public.
    #[must_use]
    pub fn sha384_of(content: &[u8]) -> Self {
        Self::Bytes(crypto::default().sha384(&[content]).into())
    }

    /// Whether `found` is as expected; in constant time for a given length.
    pub(crate) fn is_met_by(&self, found: &[u8]) -> bool {
        match self {
            Self::Bytes(bytes) => found.ct_eq(bytes).into(),
            Self::Sha256(hash) => crypto::default().sha256(found).ct_eq(hash).into(),
            Self::Sha384(hash) => crypto::default().sha384(&[found]).ct_eq(hash).into(),
        }
    }
}

impl<T: Into<Vec<u8>>> From<T> for Binding {
    fn from(bytes: T) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// As a refusal says it: bounded.
impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => f.write_str(&quote_bytes(bytes)),
            Self::Sha256(hash) => write!(f, "bytes whose SHA-256 is {}", hex::encode(hash)),
            Self::Sha384(hash) => write!(f, "bytes whose SHA-384 is {}", hex::encode(hash)),
        }
    }
}
