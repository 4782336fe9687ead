//! A guest that breaks every rule, against the switch and the rings, without a machine.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod any_packets;
mod flow;
mod harness;
mod programs;
mod rings;
mod rules;
