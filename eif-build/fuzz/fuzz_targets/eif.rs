//! Any file, read as an EIF.
#![no_main]
#[path = "../bodies.rs"]
#[allow(dead_code)] // Each target uses one.
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::eif(bytes));
