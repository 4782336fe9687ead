//! Any bytes, read as a manifest, an index, a configuration and a bundle's manifest.
#![no_main]
use eif_build::{
    bundle,
    image::{Document, ImageConfig},
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Document::parse(bytes);
    let _ = ImageConfig::parse(bytes).map(|config| config.config.unwrap_or_default().tcp_ports());
    let _ = bundle::Manifest::parse(bytes);
});
