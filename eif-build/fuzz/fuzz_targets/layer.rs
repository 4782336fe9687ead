//! Any bytes, applied as a layer.
#![no_main]
#[path = "../bodies.rs"]
#[allow(dead_code)] // Each target uses one.
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::layer(bytes));
