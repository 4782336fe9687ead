//! A line to or from a holder.
#![no_main]

use host_daemon::control::{Answer, Request, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let _ = parse::<Request>(line);
    let _ = parse::<Answer>(line);
});
