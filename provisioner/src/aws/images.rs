//! Images in AWS: measured with a bundle that is fetched from S3 when it is first needed.

use super::settings::Settings;
use crate::images::Builder;
use crate::pipeline::Error;
use crate::ports::{Images, Measured};
use contract::request::Source;
use eif_build::bundle::Store;
use eif_build::digest::Digest;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::path::{Path, PathBuf};
use store::Connection;
use tokio::sync::OnceCell;

/// The most bytes of a bundle's archive.
const MAX_BUNDLE: u64 = 256 << 20;

/// Images, once the bundles are there.
pub struct RemoteImages {
    bundles_uri: String,
    digests: Vec<Digest>,
    store: Store,
    folder: PathBuf,
    connection: Connection,
    builder: Builder,
    fetched: OnceCell<()>,
}

impl RemoteImages {
    /// Bundles and images of `settings`, kept in its work directory.
    ///
    /// # Errors
    /// [`Error::Final`] if the directory cannot be made.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let folder = settings.work_dir.clone();
        std::fs::create_dir_all(&folder).map_err(|error| {
            Error::Final(format!(
                "{}: {error}: TREZA_WORK_DIR must be writable",
                folder.display()
            ))
        })?;
        let (bundles, connection) = (folder.join("bundles"), settings.connection());
        Ok(Self {
            bundles_uri: settings.bundles_uri.clone(),
            digests: settings.bundles.clone(),
            store: Store::new(bundles.clone()),
            builder: Builder::new(bundles, folder.join("cache"), connection.clone()),
            folder,
            connection,
            fetched: OnceCell::new(),
        })
    }

    /// The bytes that measuring `source` will fetch.
    ///
    /// # Errors
    /// As for [`Images::measure`].
    pub async fn bytes(&self, source: &Source) -> Result<u64, Error> {
        match source {
            Source::Image(reference) => self.builder.weigh(reference).await,
            Source::Eif(uri) => store::objects::size(uri, &self.connection)
                .await
                .map_err(Error::from),
        }
    }

    /// Fetches the bundles that are not here yet; the first of them is the default.
    async fn fetch_bundles(&self) -> Result<(), Error> {
        for digest in &self.digests {
            if self.store.open(digest).is_err() {
                self.fetch_bundle(digest).await?;
            }
        }
        let default = self.digests.first();
        default
            .map_or(Ok(()), |digest| self.store.set_default(digest))
            .map_err(|error| Error::Final(error.to_string()))
    }

    async fn fetch_bundle(&self, digest: &Digest) -> Result<(), Error> {
        let name = digest.to_string();
        let hex = name.trim_start_matches("sha256:");
        let uri = format!("{}{hex}.tar", self.bundles_uri);
        let file = self.folder.join(format!("{hex}.tar"));
        store::objects::fetch(&uri, &file, MAX_BUNDLE, &self.connection)
            .await
            .map_err(|error| Error::Passing(error.to_string()))?;
        let imported = self.import(&file, digest, &uri);
        // It stands in the store now, or is of no use.
        let _ = std::fs::remove_file(&file);
        imported
    }

    fn import(&self, file: &Path, digest: &Digest, uri: &str) -> Result<(), Error> {
        let bundle = self
            .store
            .import(file)
            .map_err(|error| Error::Final(format!("{uri}: {error}")))?;
        if bundle.digest() == *digest {
            return Ok(());
        }
        Err(Error::Final(format!(
            "{uri}: holds the bundle {}: export {digest} there with `treza-eif bundle export`",
            bundle.digest()
        )))
    }
}

impl Images for RemoteImages {
    fn measure<'a>(&'a self, source: &'a Source) -> BoxFuture<'a, Result<Measured, Error>> {
        async {
            self.fetched.get_or_try_init(|| self.fetch_bundles()).await?;
            self.builder.measure(source).await
        }
        .boxed()
    }
}
