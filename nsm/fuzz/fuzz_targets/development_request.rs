//! Any bytes as a request to the development NSM: it answers, and the answer is a response.
#![no_main]

use std::sync::{Arc, LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use nsm::development::{Authority, Measurements, Module};
use nsm::{Nsm, RESPONSE_LIMIT, Response};

static MODULE: LazyLock<Mutex<Module>> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::open(directory.path()).unwrap());
    let id = "i-0123456789abcdef0-enc019d88dad36ca2ab".parse().unwrap();
    let measurements = Measurements { pcr0: [1; 48], pcr1: [2; 48], pcr2: [3; 48], pcr8: None };
    Mutex::new(Module::new(authority, id, &measurements, false).unwrap())
});

fuzz_target!(|request: &[u8]| {
    let response = MODULE.lock().unwrap().process(request).unwrap();
    assert!(response.len() <= RESPONSE_LIMIT);
    serde_cbor::from_slice::<Response>(&response).unwrap();
});
