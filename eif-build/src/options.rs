//! What every operation on an image takes along.
use std::{sync::Arc, time::Duration};

use crate::{
    image::{Cache, Credentials},
    rootfs::Limits,
};

/// Is told how far an operation has come.
pub trait Progress: Send + Sync {
    /// A step begins; `total` is its size in bytes, 0 if that is not known.
    fn begin(&self, step: &str, total: u64);
    /// So many bytes of the step that began last are done.
    fn advance(&self, bytes: u64);
}

/// Tells nobody.
impl Progress for () {
    fn begin(&self, _step: &str, _total: u64) {}
    fn advance(&self, _bytes: u64) {}
}

/// How an application's ramdisk is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// As it is.
    #[default]
    None,
    /// With zstd: a smaller file, and another PCR0 and PCR2, which are of this builder's version of zstd.
    Zstd,
}

/// Where images are kept, what is shown to registries, and how much is allowed.
#[derive(Clone)]
pub struct Options {
    /// Where fetched blobs are kept.
    pub cache: Cache,
    /// What is shown to registries.
    pub credentials: Credentials,
    /// How much an image may ask for.
    pub limits: Limits,
    /// How long fetching an image may take.
    pub timeout: Duration,
    /// How the application's ramdisk is written. Who measures an image must name what it was built with.
    pub compression: Compression,
    /// Is told how far it has come.
    pub progress: Arc<dyn Progress>,
}

impl Options {
    /// Fetches into `cache`, anonymously, within the default limits and half an hour, telling nobody.
    pub fn new(cache: Cache) -> Self {
        Self {
            cache,
            credentials: Credentials::Anonymous,
            limits: Limits::default(),
            timeout: Duration::from_secs(1800),
            compression: Compression::default(),
            progress: Arc::new(()),
        }
    }
}
