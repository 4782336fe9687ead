#![no_main]
//! What the host sends to the control port.

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _ = runtime.block_on(enclave_agent::control::read_request(&mut &bytes[..]));
});
