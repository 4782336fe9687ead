//! The line before a heartbeat.
#![no_main]

use host_daemon::heartbeat::parse_preface;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    if let Some(cid) = parse_preface(line) {
        assert_eq!(line, format!("CID {cid}\n").as_bytes());
    }
});
