//! A development enclave on a machine without Nitro hardware: QEMU, its vsock device, the development NSM
//! behind it.
//!
//! - an enclave from its EIF to its end: [`enclave`]
//! - what is booted, and how it is measured: [`boot`]
//! - QEMU, its acceleration, its console: [`qemu`], [`console`]
//! - the vsock device, with a socket for the host's programs: [`vsock`]

pub mod boot;
pub mod console;
pub mod enclave;
mod error;
mod hub;
mod kernel;
pub mod qemu;
mod secure_module;
pub mod vsock;

pub use eif_build::bundle::Machine;
pub use enclave::{Config, Enclave, Exit};
pub use error::Error;
pub use qemu::Acceleration;
