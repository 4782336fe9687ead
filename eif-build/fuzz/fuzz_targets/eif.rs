//! Any file, read as an EIF.
#![no_main]
use std::io::Cursor;

use eif_build::eif::Eif;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(mut eif) = Eif::new(Cursor::new(bytes)) {
        let _ = (eif.check(), eif.metadata(), eif.cmdline(), eif.verify());
    }
});
