//! The pipeline against a real database, with hosts whose documents are real.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
mod faults;
mod hostile_host;
mod local;
mod model;
mod monitor;
mod races;
mod reports;
mod requests;
mod turns;
