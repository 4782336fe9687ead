//! The Nitro Secure Module (NSM): one trait; the device, the remote one over vsock, the development one.
//!
//! - [`Nsm`]: what every module does, over the CBOR messages of `aws-nitro-enclaves-nsm-api`.
//! - [`Device`]: the module of the enclave this program runs in, `/dev/nsm`.
//! - [`Remote`] and [`serve`]: a module at the other end of a byte stream.
//! - [`development`]: a module without Nitro hardware, its documents signed by a development CA
//!   (feature `development`, on by default; what runs inside an enclave leaves it out).

#![forbid(unsafe_code)]

#[cfg(feature = "development")]
pub mod development;
mod device;
mod error;
mod frame;
mod remote;
mod secure_module;
mod wire;

pub use aws_nitro_enclaves_nsm_api::api::{Digest, ErrorCode, Request, Response};
pub use device::Device;
pub use error::Error;
pub use remote::{Remote, serve};
pub use secure_module::{AttestationFields, Description, Nsm, PCR_LENGTH, Pcr, PcrValue};
pub use wire::{REQUEST_LIMIT, RESPONSE_LIMIT};
