//! The cryptography that verification needs, behind a narrow trait: two hashes and one kind of signature.
//!
//! [`AwsLcRs`] (feature `aws-lc-rs`, on by default) is the provider wherever there is a C compiler, `RustCrypto`
//! (feature `rustcrypto`) in pure Rust the one for `wasm32-unknown-unknown`. With both, `AwsLcRs` is the one that the
//! functions of this crate take, and [`Verifier::provider`](crate::Verifier::provider) takes either.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(feature = "rustcrypto")]
mod rust_crypto;

#[cfg(feature = "aws-lc-rs")]
pub use aws_lc::AwsLcRs;
#[cfg(feature = "rustcrypto")]
pub use rust_crypto::RustCrypto;

use std::fmt;

/// A provider of cryptography.
pub trait Provider: fmt::Debug + Send + Sync {
    /// SHA-256 of `content`.
    fn sha256(&self, content: &[u8]) -> [u8; 32];

    /// SHA-384 of the concatenated parts.
    fn sha384(&self, parts: &[&[u8]]) -> [u8; 48];

    /// Whether `signature` is ECDSA's with SHA-384 over `message` by the key at `point`, an untrusted P-384 point,
    /// which must be refused unless it lies on the curve. s may be high or low: half of the genuine documents have
    /// a high one.
    fn verifies(&self, point: &[u8; POINT_LEN], message: &[u8], signature: Signature<'_>) -> bool;
}

/// Bytes of an uncompressed P-384 point: 0x04, x, y.
pub const POINT_LEN: usize = 97;

/// An ECDSA signature, in one of its two encodings; of any length, well-formed or not.
#[derive(Debug, Clone, Copy)]
pub enum Signature<'a> {
    /// r ‖ s, 48 bytes each: COSE's.
    Fixed(&'a [u8]),
    /// A SEQUENCE of two INTEGERs in DER: that of certificates.
    Der(&'a [u8]),
}

/// The provider of the functions that name none.
pub(crate) fn default() -> &'static dyn Provider {
    #[cfg(feature = "aws-lc-rs")]
    return &AwsLcRs;
    #[cfg(all(feature = "rustcrypto", not(feature = "aws-lc-rs")))]
    return &RustCrypto;
    #[cfg(not(any(feature = "aws-lc-rs", feature = "rustcrypto")))]
    compile_error!(
        "attestation needs a provider of cryptography: feature aws-lc-rs (the default) or rustcrypto"
    );
}
