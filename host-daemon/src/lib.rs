//! The host daemon: launches enclaves, holds them, challenges them, reports their evidence. It never writes a row.
//!
//! - what the daemon is told, who it is, and put together: [`config`], [`identity`], [`daemon`], [`host`]
//! - rows against enclaves: [`reconcile`], the decision: [`decide`], what is done: [`worker`], what was: [`ledger`]
//! - an image, ready to boot: [`images`]; the boot heartbeat: [`heartbeat`]; evidence: [`evidence`], [`agent`]
//! - each enclave's own process: [`holder`], reached through [`holding`] and [`control`], in its [`enclave_dir`]
//! - what runs enclaves: [`driver`]
//! - where everything stands: [`state_dir`]
//! - the operator's commands: [`command`]
#![forbid(unsafe_code)]

pub mod agent;
pub mod command;
pub mod config;
pub mod control;
pub mod daemon;
pub mod decide;
pub mod driver;
pub mod enclave_dir;
mod error;
pub mod evidence;
mod files;
pub mod heartbeat;
pub mod holder;
pub mod holding;
pub mod host;
pub mod identity;
pub mod images;
pub mod ledger;
pub mod reconcile;
pub mod state_dir;
pub mod worker;

pub use error::Error;
