#![no_main]
//! What programs in the enclave do with /dev/nsm.

use libfuzzer_sys::fuzz_target;

struct Echo;

impl nsm::Nsm for Echo {
    fn process(&mut self, request: &[u8]) -> Result<Vec<u8>, nsm::Error> {
        Ok(request.to_vec())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let _ = enclave_agent::cuse::answer(bytes, &mut Echo);
});
