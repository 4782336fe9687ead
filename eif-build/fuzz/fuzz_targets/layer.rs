//! Any bytes, applied as a layer; its digest is made to fit, so that the whole way is gone.
#![no_main]
use eif_build::{
    digest::Digest,
    rootfs::{Limits, PackedLayer, Spool, Tree, apply},
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { total_bytes: 1 << 20, entries: 1000, ..Limits::default() };
    let Ok(spool) = Spool::new_in(&std::env::temp_dir()) else { return };
    let layer = PackedLayer { bytes, digest: None, diff_id: Digest::of(bytes) };
    if let Ok(tree) = apply([Ok(layer)], Tree::new(spool), &limits) {
        for (path, ..) in tree.entries() {
            assert!(!path.starts_with(b"/") && !path.split(|&byte| byte == b'/').any(|part| part == b".."));
        }
        let _ = tree.resolve_user("www:www");
    }
});
