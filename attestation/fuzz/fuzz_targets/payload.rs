//! Any bytes as the payload of a right envelope: the fuzzer need not find the envelope first. The first certificate
//! of the bundle, where it can be one, is taken for a root, so that the chain is walked as well.
#![no_main]

use attestation::{Document, Root, verify};
use libfuzzer_sys::fuzz_target;
use std::time::{Duration, SystemTime};

fuzz_target!(|payload: &[u8]| {
    let input = envelope(payload);
    if let Ok(document) = Document::parse_unverified(&input)
        && let Some(Ok(root)) = document.cabundle.first().map(|der| Root::from_der(der))
    {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(document.timestamp_ms);
        assert!(verify(&input, &[root], now).is_err());
    }
});

/// A COSE_Sign1 around `payload`, with a signature of zeros.
fn envelope(payload: &[u8]) -> Vec<u8> {
    let mut input = b"\x84\x44\xa1\x01\x38\x22\xa0".to_vec();
    match payload.len() {
        length @ 0..24 => input.push(0x40 | length as u8),
        length @ 24..256 => input.extend([0x58, length as u8]),
        length => input.extend([0x59, (length >> 8) as u8, length as u8]),
    }
    input.extend(payload);
    input.extend(b"\x58\x60");
    input.extend([0; 96]);
    input
}
