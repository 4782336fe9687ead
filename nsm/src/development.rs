//! The development NSM: registers, random numbers and attestation documents as a Nitro NSM gives them, signed
//! by a CA of this machine's own, whose name says DEVELOPMENT. It proves nothing to anyone who does not
//! choose to trust that CA.
//!
//! - [`Authority`]: the CA, made on first use and kept in a directory.
//! - [`ModuleId`]: whose module it is.
//! - [`Module`]: the module of one enclave.

mod authority;
mod credential;
mod document;
mod error;
mod module;
mod module_id;
mod pcr_bank;

pub use authority::{Authority, CERTIFICATE_FILE, KEY_FILE};
pub use error::Error;
pub use module::{Measurements, Module};
pub use module_id::ModuleId;
