#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| contract_fuzz::targets::batch(input));
