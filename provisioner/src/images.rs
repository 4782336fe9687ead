//! Images, measured with eif-build.

use crate::pipeline::Error;
use crate::ports::{Images, Measured};
use contract::request::Source;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::path::PathBuf;
use store::Connection;

/// Measures images as they would be built with the default bundle of a store.
pub struct Builder {
    bundles: PathBuf,
    cache: PathBuf,
    connection: Connection,
}

impl Builder {
    /// Bundles from the folder `bundles`; what is fetched is kept in `cache`.
    pub fn new(bundles: PathBuf, cache: PathBuf, connection: Connection) -> Self {
        Self {
            bundles,
            cache,
            connection,
        }
    }
}

impl Images for Builder {
    fn measure<'a>(&'a self, source: &'a Source) -> BoxFuture<'a, Result<Measured, Error>> {
        async move {
            Err(Error::Final(format!(
                "{source:?} {:?} {:?} {:?}",
                self.bundles, self.cache, self.connection
            )))
        }
        .boxed()
    }
}
