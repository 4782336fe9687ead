//! The attestation document of an AWS Nitro Enclave: parsing, verification, policy.
//!
//! A pure library: bytes, roots, a time and a policy in; a typed proof or a typed refusal out. It does no I/O and
//! has no clock of its own.
//!
//! | step | function | answer |
//! | --- | --- | --- |
//! | look at a document, trust nothing | [`Document::parse_unverified`] | [`Document`] |
//! | is it genuine: did a Nitro Secure Module under one of my roots sign it? | [`verify`] | [`Genuine`] |
//! | is it the enclave, the moment and the channel that I expect? | [`Genuine::check`] | [`Attested`] |
//!
//! Only [`Attested`] says something about the code that runs; a genuine document may come from anybody's enclave.
//!
//! ```
//! use attestation::{Attested, Code, Pcr, Policy, Refusal, Root, verify};
//! use std::time::{Duration, SystemTime};
//!
//! fn admit(document: &[u8], pcr0: Pcr, challenge: &[u8], now: SystemTime) -> Result<Attested, Refusal> {
//!     let policy = Policy::new().pcr(0, pcr0).nonce(challenge).max_age(Duration::from_secs(120));
//!     verify(document, &[Root::aws_nitro()], now)?.check(&policy, now)
//! }
//!
//! let refusal = admit(b"no document", [0x11; 48], b"challenge", SystemTime::now()).unwrap_err();
//! assert_eq!(refusal.kind(), Code::Malformed);
//! assert_eq!(refusal.code(), "malformed");
//! ```
//!
//! Format and rules: AWS, "Verifying the root of trust" and the `attestation_process.md` of
//! <https://github.com/aws/aws-nitro-enclaves-nsm-api>; COSE is RFC 9052, CBOR RFC 8949, the chain RFC 5280.
//! Where genuine documents differ from AWS's text, the code says so beside the rule.
#![forbid(unsafe_code)]

mod cbor;
mod certificate;
mod chain;
mod cose;
mod crypto;
mod document;
mod genuine;
mod pcr;
mod policy;
mod refusal;
mod root;

pub use document::{Document, MAX_DOCUMENT_LEN};
pub use genuine::{Genuine, verify};
pub use pcr::{PCR_COUNT, PCR_LEN, Pcr, extend, pcr4_of};
pub use policy::{Attested, CLOCK_SKEW, Policy};
pub use refusal::{Code, Refusal};
pub use root::{Root, RootError, Trust};
