//! The provider on aws-lc-rs.

use super::{POINT_LEN, Provider, Signature};
use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};

/// Cryptography of AWS-LC, with C and assembly: the fastest at P-384.
#[derive(Debug, Clone, Copy)]
pub struct AwsLcRs;

impl Provider for AwsLcRs {
    fn sha256(&self, content: &[u8]) -> [u8; 32] {
        array(&digest::digest(&digest::SHA256, content))
    }

    fn sha384(&self, parts: &[&[u8]]) -> [u8; 48] {
        let mut context = digest::Context::new(&digest::SHA384);
        parts.iter().for_each(|part| context.update(part));
        array(&context.finish())
    }

    fn verifies(&self, point: &[u8; POINT_LEN], message: &[u8], signature: Signature<'_>) -> bool {
        let (algorithm, signature) = match signature {
            Signature::Fixed(bytes) => (&ECDSA_P384_SHA384_FIXED, bytes),
            Signature::Der(bytes) => (&ECDSA_P384_SHA384_ASN1, bytes),
        };
        // AWS-LC takes the hybrid form (6 or 7) as well, which no certificate may have (RFC 5480, 2.2).
        let uncompressed = point.first() == Some(&4);
        let key = UnparsedPublicKey::new(algorithm, point);
        uncompressed && key.verify(message, signature).is_ok()
    }
}

fn array<const N: usize>(digest: &digest::Digest) -> [u8; N] {
    let mut hash = [0; N];
    hash.copy_from_slice(digest.as_ref());
    hash
}
