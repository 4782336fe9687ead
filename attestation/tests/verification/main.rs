//! Verification from outside: genuine documents of AWS, and documents that a test authority signs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod encoding;
mod genuine;
mod mutation;
mod policy;
mod support;
