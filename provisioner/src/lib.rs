//! The pipeline from a row to an attested enclave and back, as plain functions over narrow [`ports`].
//!
//! - what starts a turn of a row: [`trigger`]
//! - a turn's steps: [`validate`], [`measure`], [`place`], and for the way back [`finish`]; [`workflow`] runs them in order
//! - how far a turn has come, for those who wait for it: [`outcome`]
//! - what ends a turn: [`verify`], which takes a host's report, and [`fail`]; the changes that they make are `endings`
//! - what watches over all rows: [`monitor`]
//! - the guarded change of a row, which all of them make: [`pipeline`]
//!
//! [`local`] is the whole pipeline on one machine, [`aws`] its parts in AWS, behind the entry points of [`lambda`] and
//! the [`runner`] of Terraform; [`command`] is the user's command `treza`.
#![forbid(unsafe_code)]

pub mod aws;
pub mod command;
mod endings;
mod error;
pub mod fail;
pub mod finish;
pub mod images;
pub mod lambda;
pub mod local;
pub mod measure;
pub mod monitor;
pub mod outcome;
pub mod pipeline;
pub mod place;
pub mod ports;
pub mod runner;
pub mod trigger;
pub mod validate;
pub mod verify;
pub mod workflow;
