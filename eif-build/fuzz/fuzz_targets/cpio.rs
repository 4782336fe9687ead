//! Any bytes, read as a cpio archive.
#![no_main]
use eif_build::cpio::Reader;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    while let Ok(Some(_)) = reader.next_entry() {
        let _ = reader.copy_data(std::io::sink());
    }
});
