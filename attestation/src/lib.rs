//! The attestation document of an AWS Nitro Enclave: parsing, verification, policy.
//!
//! A pure library: bytes, roots, a time and a policy in; a typed proof or a typed refusal out. It does no I/O, has no
//! clock of its own, and builds for `wasm32-unknown-unknown`.
//!
//! | question | function | answer |
//! | --- | --- | --- |
//! | what does a document say? (nothing is trusted) | [`Document::parse_unverified`] | [`Document`] |
//! | is it genuine: did a Nitro Secure Module under one of my roots sign it? | [`verify`], [`Verifier::verify`] | [`Genuine`] |
//! | is it the enclave, the moment and the channel that I expect? | [`Genuine::check`] | [`Attested`] |
//! | was it genuine at its own time? (archives) | [`audit`], [`Verifier::audit`] | [`Genuine<Archived>`](Archived) |
//!
//! Only [`Attested`] says something about the code that runs, and not where it [`is_debug`](Attested::is_debug), which a policy
//! must allow; a genuine document may come from anybody's enclave.
//!
//! # A verifier for a service
//!
//! ```
//! use attestation::{Code, Policy, Release, Root, Trust, Verifier};
//! use std::time::{Duration, SystemTime};
//!
//! // Once. The values come from building the image oneself, or from someone whom one believes; never from the
//! // enclave or its host. `Policy::read` reads the same from TOML or JSON.
//! let policy = Policy::new()
//!     .release(Release::new("1.4.0").pcr(0, [0x11; 48]))
//!     .release(Release::new("1.5.0").pcr(0, [0x22; 48]))
//!     .trust([Trust::AwsNitro])
//!     .max_age(Duration::from_secs(120));
//! let verifier = Verifier::new([Root::aws_nitro()]).caching(1000);
//!
//! // For each caller: 32 random bytes that it must have put into its document, good for one document.
//! let nonce = [7; 32];
//! let document = b"what the caller sent";
//! let now = SystemTime::now();
//! let judged = verifier
//!     .verify(document, now)
//!     .and_then(|genuine| genuine.check(&policy.clone().nonce(nonce), now));
//! match judged {
//!     Ok(attested) => println!("release {:?} of ours", attested.release()),
//!     Err(refusal) => match refusal.kind() {
//!         Code::Nonce | Code::Stale | Code::FromFuture => println!("ask again"),
//!         Code::CertificateExpired | Code::CertificateNotYetValid => println!("ask again"),
//!         // A PCR of the policy itself, of each of its releases, or a debug mode that it does not allow.
//!         Code::Pcr | Code::Release | Code::Debug => println!("not an enclave of ours: {refusal}"),
//!         Code::NoExpectation => println!("the policy is not one: {refusal}"),
//!         _ => println!("refused: {}", refusal.code()),
//!     },
//! }
//! # let refusal = verifier.verify(document, now).unwrap_err();
//! # assert_eq!((refusal.kind(), refusal.code()), (Code::Malformed, "malformed"));
//! ```
//!
//! What remains for the service:
//!
//! - **Accept a nonce once.** This library compares it and keeps nothing.
//! - **Bind the channel.** Whoever forwards a genuine document is not its enclave. Expect the key that the other end
//!   of the connection has shown with [`Policy::public_key`] or [`Policy::user_data`]: the bytes, or a [`Binding`]
//!   by hash.
//! - **Expect an image.** PCR0 measures all of it; PCR1 (kernel) and PCR2 (application) together do; PCR8 names its
//!   signer. All others can be had with any program. A policy without a PCR is refused, one with PCR4 alone is not.
//! - **Keep the time.** A wrong clock accepts expired certificates or refuses good ones; [`CLOCK_SKEW`] is not for them.
//!
//! `examples/verifier.rs` is such a service as a program. The rules, each with its source, and the meaning of each
//! [`Code`] are in `docs/verification.md`.
//!
//! # Features
//!
//! | feature | |
//! | --- | --- |
//! | `aws-lc-rs` (default) | cryptography of AWS-LC |
//! | `rustcrypto` | cryptography in pure Rust, for wasm: `--no-default-features --features rustcrypto` |
//! | `serde` (default) | `Policy::read`, and `Policy` as a part of other files by its `Deserialize` |
//!
//! [`crypto::Provider`] is what a provider must do, for those who bring their own.
//!
//! Format and rules: AWS, "Verifying the root of trust" and the `attestation_process.md` of
//! <https://github.com/aws/aws-nitro-enclaves-nsm-api>; COSE is RFC 9052, CBOR RFC 8949, the chain RFC 5280.
//! Where genuine documents differ from AWS's text, the code says so beside the rule.
#![forbid(unsafe_code)]

mod cache;
mod cbor;
mod certificate;
mod chain;
mod cose;
pub mod crypto;
mod der;
mod document;
mod genuine;
mod payload;
mod pcr;
mod policy;
mod refusal;
mod root;
mod verifier;

pub use document::{Document, MAX_DOCUMENT_LEN};
pub use genuine::{Archived, Clock, Genuine, Live};
pub use pcr::{PCR_COUNT, PCR_LEN, Pcr, extend, pcr4_of};
pub use policy::{Attested, Binding, CLOCK_SKEW, PcrSet, Policy, Release};
#[cfg(feature = "serde")]
pub use policy::{MAX_POLICY_LEN, PolicyError};
pub use refusal::{Code, Refusal};
pub use root::{Root, RootError, Trust};
pub use verifier::{Verifier, audit, verify};
