#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| attestation_fuzz::targets::payload(input));
