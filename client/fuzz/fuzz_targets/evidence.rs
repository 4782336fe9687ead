#![no_main]
use std::time::SystemTime;

libfuzzer_sys::fuzz_target!(|parts: (&[u8], &[u8])| {
    let (statement, input) = parts;
    let document = client::input::document_bytes(input.to_vec());
    let expectation = client::Expectation {
        pcrs: [(0, vec![[0; 48]])].into(),
        ..Default::default()
    };
    let roots = [attestation::Root::aws_nitro()];
    let _ = client::evidence::verify(statement, &document, &expectation, &roots, SystemTime::UNIX_EPOCH);
});
