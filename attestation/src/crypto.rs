//! The cryptography that verification needs, and the only place that names its provider.

use crate::pcr::PCR_LEN;
use aws_lc_rs::{digest, signature};
use rustls_pki_types::SignatureVerificationAlgorithm;

/// The one algorithm of the chain: ecdsa-with-SHA384 with a P-384 key.
pub(crate) const CERTIFICATE_SIGNATURES: &[&dyn SignatureVerificationAlgorithm] =
    &[webpki::aws_lc_rs::ECDSA_P384_SHA384];

/// SHA-384 of the concatenated parts.
pub(crate) fn sha384(parts: &[&[u8]]) -> [u8; PCR_LEN] {
    let mut context = digest::Context::new(&digest::SHA384);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = [0; PCR_LEN];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Whether `signature` (r ‖ s, 96 bytes, s low or high) is ES384's over `message`, by the key at the uncompressed
/// P-384 `point`.
pub(crate) fn es384_verifies(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    signature::UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point)
        .verify(message, signature)
        .is_ok()
}
