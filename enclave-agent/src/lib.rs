//! Process 1 of the enclave: it makes the machine usable, takes one launch message, starts the application, watches
//! over it, and proves to whoever asks what runs here. It treats its host as hostile.
//!
//! - the machine: [`mounts`], [`modules`], [`network`], [`console`]
//! - the secure module: [`secure_module`], and /dev/nsm for emulated enclaves: [`cuse`]
//! - the host: [`heartbeat`], [`control`]; what it may ask: [`agent`], `launch`, `evidence`, [`forward`]
//! - the application: [`application`]
#![deny(unsafe_code)]

pub mod agent;
pub mod application;
pub mod console;
pub mod control;
pub mod cuse;
mod evidence;
pub mod forward;
pub mod heartbeat;
mod launch;
pub mod modules;
pub mod mounts;
pub mod network;
pub mod secure_module;
mod sys;

pub use agent::{Agent, End};
pub use application::{Application, Place};
pub use secure_module::SecureModule;

#[cfg(test)]
mod examples;
