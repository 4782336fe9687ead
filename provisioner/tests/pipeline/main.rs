//! The pipeline against a real database, with hosts whose documents are real.
#![allow(unreachable_pub, missing_docs)]

mod common;
mod hostile_host;
mod local;
mod monitor;
mod turns;
