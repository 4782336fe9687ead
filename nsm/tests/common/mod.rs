//! What the tests of the development NSM share.

use std::sync::{Arc, LazyLock};

use nsm::development::{Authority, Measurements, Module, ModuleId};

pub(crate) const MODULE_ID: &str = "i-0123456789abcdef0-enc019d88dad36ca2ab";

/// A CA whose directory is gone as soon as it is open: it lives in memory from there on.
pub(crate) static AUTHORITY: LazyLock<Arc<Authority>> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    Arc::new(Authority::open(directory.path()).unwrap())
});

pub(crate) fn measurements() -> Measurements {
    Measurements {
        pcr0: [0x10; 48],
        pcr1: [0x11; 48],
        pcr2: [0x12; 48],
        pcr8: Some([0x18; 48]),
    }
}

pub(crate) fn module(debug: bool) -> Module {
    let id: ModuleId = MODULE_ID.parse().unwrap();
    Module::new(AUTHORITY.clone(), id, &measurements(), debug).unwrap()
}
