//! The provider on RustCrypto's p384 and sha2.

use super::{POINT_LEN, Provider, Signature};
use p384::ecdsa::signature::Verifier;
use p384::ecdsa::{DerSignature, Signature as FixedSignature, VerifyingKey};
use sha2::{Digest, Sha256, Sha384};

/// Cryptography in pure Rust, for targets without a C compiler, such as `wasm32-unknown-unknown`.
#[derive(Debug, Clone, Copy)]
pub struct RustCrypto;

impl Provider for RustCrypto {
    fn sha256(&self, content: &[u8]) -> [u8; 32] {
        Sha256::digest(content).into()
    }

    fn sha384(&self, parts: &[&[u8]]) -> [u8; 48] {
        let mut hash = Sha384::new();
        parts.iter().for_each(|part| hash.update(part));
        hash.finalize().into()
    }

    fn verifies(&self, point: &[u8; POINT_LEN], message: &[u8], signature: Signature<'_>) -> bool {
        let Ok(key) = VerifyingKey::from_sec1_bytes(point) else {
            return false;
        };
        match signature {
            Signature::Fixed(bytes) => FixedSignature::from_slice(bytes)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Signature::Der(bytes) => {
                DerSignature::from_bytes(bytes).is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
        }
    }
}
