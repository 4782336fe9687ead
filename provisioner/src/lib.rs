//! The pipeline from a row to an attested enclave and back, as plain functions over narrow [`ports`].
//!
//! - what starts a turn of a row: [`trigger`]
//! - a turn's steps: [`validate`], [`measure`], [`place`], and for the way back [`finish`]; [`workflow`] runs them in order
//! - what ends a turn: [`verify`], which takes a host's report, and [`fail`]; the changes that they make are `endings`
//! - what watches over all rows: [`monitor`]
//! - the guarded change of a row, which all of them make: [`pipeline`]
//!
//! [`local`] is the whole pipeline on one machine, [`command`] the user's command `treza`.
#![forbid(unsafe_code)]

pub mod command;
mod endings;
pub mod fail;
pub mod finish;
pub mod images;
pub mod local;
pub mod measure;
pub mod monitor;
pub mod pipeline;
pub mod place;
pub mod ports;
pub mod trigger;
pub mod validate;
pub mod verify;
pub mod workflow;
