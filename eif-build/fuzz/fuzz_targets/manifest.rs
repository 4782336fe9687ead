//! Any bytes, read as a manifest, an index, a configuration, a bundle's manifest and a kernel.
#![no_main]
#[path = "../bodies.rs"]
#[allow(dead_code)] // Each target uses one.
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::manifest(bytes));
