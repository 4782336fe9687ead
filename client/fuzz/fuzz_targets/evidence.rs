#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| client_fuzz::targets::evidence(input));
