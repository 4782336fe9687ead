//! Images, measured with eif-build before anything is launched.

use crate::pipeline::Error;
use crate::ports::{Images, Measured};
use contract::request::Source;
use eif_build::bundle::{Bundle, Store};
use eif_build::digest::Digest;
use eif_build::eif::Pcrs;
use eif_build::image::{self, Cache, Credentials};
use eif_build::{ImageRef, Inspection, Measurement, Options, inspect, measure, resolve};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use store::Connection;
use tokio::sync::Semaphore;

/// How long an image may take to be fetched.
const FETCH: Duration = Duration::from_secs(8 * 60);
/// The most bytes of a finished EIF.
const MAX_EIF: u64 = 4 << 30;
/// Images are measured one after the other: each keeps a processor and the disk busy.
const AT_ONCE: usize = 1;

/// Measures images as they are built with the default bundle of a store.
pub struct Builder {
    bundles: Store,
    cache: PathBuf,
    options: Options,
    connection: Connection,
    turns: Semaphore,
    /// What is measured of an image and a bundle never changes.
    known: Mutex<HashMap<(Digest, Digest), Measured>>,
}

impl Builder {
    /// Bundles from the folder `bundles`; what is fetched is kept in the folder `cache`; registries are shown what
    /// Docker's configuration has for them.
    pub fn new(bundles: PathBuf, cache: PathBuf, connection: Connection) -> Self {
        let options = Options {
            credentials: Credentials::docker_default(),
            timeout: FETCH,
            ..Options::new(Cache::new(cache.join("images")))
        };
        Self {
            bundles: Store::new(bundles),
            cache,
            options,
            connection,
            turns: Semaphore::new(AT_ONCE),
            known: Mutex::default(),
        }
    }

    async fn image(&self, reference: &str) -> Result<Measured, Error> {
        let reference: ImageRef = reference
            .parse()
            .map_err(|error: image::Error| Error::Final(error.to_string()))?;
        let bundle = self
            .bundles
            .default_digest()
            .map_err(|error| Error::Final(error.to_string()))?;
        let digest = resolve(&reference, &self.options).await.map_err(sorted)?;
        let _turn = self
            .turns
            .acquire()
            .await
            .map_err(|error| Error::Passing(error.to_string()))?;
        if let Some(measured) = self.known(digest, bundle) {
            return Ok(measured);
        }
        let opened = self
            .bundles
            .open(&bundle)
            .map_err(|error| Error::Final(error.to_string()))?;
        let measurement = measure(&reference.with_digest(digest), &opened, &self.options)
            .await
            .map_err(sorted)?;
        let measured = of_image(&measurement);
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((digest, bundle), measured.clone());
        Ok(measured)
    }

    /// The bytes that fetching an image takes.
    ///
    /// # Errors
    /// As for [`Images::measure`].
    pub async fn weigh(&self, reference: &str) -> Result<u64, Error> {
        let reference: ImageRef = reference
            .parse()
            .map_err(|error: image::Error| Error::Final(error.to_string()))?;
        eif_build::weigh(&reference, &self.options).await.map_err(sorted)
    }

    fn known(&self, image: Digest, bundle: Digest) -> Option<Measured> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(image, bundle)).cloned()
    }

    /// Fetches a finished EIF, looks into it, and lets go of it: the host fetches its own.
    async fn eif(&self, uri: &str) -> Result<Measured, Error> {
        std::fs::create_dir_all(&self.cache)
            .map_err(|error| Error::Final(format!("{}: {error}", self.cache.display())))?;
        let folder = tempfile::tempdir_in(&self.cache)
            .map_err(|error| Error::Final(format!("{}: {error}", self.cache.display())))?;
        let path = folder.path().join("fetched.eif");
        store::objects::fetch(uri, &path, MAX_EIF, &self.connection)
            .await
            .map_err(|error| Error::Final(error.to_string()))?;
        let bundles = self.bundles.clone();
        let uri = contract::fault::printable(uri, 256);
        tokio::task::spawn_blocking(move || of_eif(&uri, &path, &bundles))
            .await
            .map_err(|error| Error::Passing(error.to_string()))?
    }
}

impl Images for Builder {
    fn measure<'a>(&'a self, source: &'a Source) -> BoxFuture<'a, Result<Measured, Error>> {
        match source {
            Source::Image(reference) => self.image(reference).boxed(),
            Source::Eif(uri) => self.eif(uri).boxed(),
        }
    }
}

/// Whether another try may help: only where a registry was not reached or did not answer as it should.
fn sorted(error: eif_build::Error) -> Error {
    use image::Error::{Registry, Timeout, Unreachable};
    let text = error.to_string();
    match error {
        eif_build::Error::Image(Unreachable { .. } | Timeout { .. } | Registry { .. }) => {
            Error::Passing(text)
        }
        _ => Error::Final(text),
    }
}

fn of_image(measurement: &Measurement) -> Measured {
    Measured {
        image_digest: measurement.image_digest.to_string(),
        bundle: measurement.bundle.to_string(),
        pcrs: by_index(&measurement.pcrs),
        eif_bytes: measurement.size,
    }
}

/// What a finished EIF is, if its boot part is that of a bundle which is known here: nothing else is our agent.
fn of_eif(uri: &str, path: &Path, bundles: &Store) -> Result<Measured, Error> {
    let Inspection {
        pcrs,
        size,
        description,
        ..
    } = inspect(path).map_err(|error| Error::Final(unsound(uri, error)))?;
    let bundle = bundle_of(&pcrs, bundles)?.ok_or_else(|| {
        without_agent(
            uri,
            "its kernel and boot ramdisk are those of no bundle of this pipeline",
        )
    })?;
    let description =
        description.ok_or_else(|| without_agent(uri, "its second ramdisk does not describe an image"))?;
    Ok(Measured {
        image_digest: description.digest,
        bundle: bundle.to_string(),
        pcrs: by_index(&pcrs),
        eif_bytes: size,
    })
}

/// What is wrong with the EIF at `uri`. The file that it was fetched into is nobody's business.
fn unsound(uri: &str, error: eif_build::Error) -> String {
    match error {
        eif_build::Error::Eif { source, .. } => format!("{uri}: {source}"),
        other => format!("{uri}: {other}"),
    }
}

fn bundle_of(pcrs: &Pcrs, bundles: &Store) -> Result<Option<Digest>, Error> {
    let failed = |error: eif_build::bundle::Error| Error::Final(error.to_string());
    for digest in bundles.list().map_err(failed)? {
        let bundle: Bundle = bundles.open(&digest).map_err(failed)?;
        if bundle.pcr1() == pcrs.pcr1 {
            return Ok(Some(digest));
        }
    }
    Ok(None)
}

fn without_agent(uri: &str, why: &str) -> Error {
    Error::Final(format!(
        "{uri}: an EIF without our agent ({why}): build it with `treza-eif build` and a bundle of this pipeline"
    ))
}

fn by_index(pcrs: &Pcrs) -> BTreeMap<u8, [u8; 48]> {
    let mut all = BTreeMap::from([(0, pcrs.pcr0.0), (1, pcrs.pcr1.0), (2, pcrs.pcr2.0)]);
    all.extend(pcrs.pcr8.map(|value| (8, value.0)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::request::EnclaveRequest;
    use proptest::prelude::*;

    proptest! {
        /// What a row may name is what the builder then takes for an image of a registry, and nothing else.
        #[test]
        fn a_row_takes_the_images_that_the_builder_takes(
            image in r"[a-zA-Z0-9]{1,4}([./:@_-]{1,2}[a-zA-Z0-9]{1,4}){0,4}(@sha(256|512):([0-9a-f]{64}){1,2})?|(oci|file|a):[a-z/:]{0,6}"
        ) {
            let row = serde_json::json!({"providerConfig": {"dockerImage": image, "cpuCount": 2, "memoryMiB": 1024}});
            let row = contract::item::read(&row.to_string()).unwrap();
            let builds = image.parse::<ImageRef>().is_ok_and(|image| image.is_remote());
            let local = image.starts_with("file:");
            prop_assert_eq!(EnclaveRequest::read(&row, "us-west-2").is_ok(), builds && !local);
        }
    }

    #[tokio::test]
    async fn a_file_that_is_no_eif_is_named_as_the_row_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let (file, cache) = (folder.path().join("no.eif"), folder.path().join("cache"));
        std::fs::write(&file, b"no EIF at all").unwrap();
        let connection = Connection {
            endpoint: None,
            s3_endpoint: None,
            profile: None,
            region: "us-west-2".into(),
        };
        let builder = Builder::new(folder.path().join("bundles"), cache.clone(), connection);
        let uri = format!("file:{}", file.display());
        let error = builder.eif(&uri).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("{uri}: not a sound EIF")), "{error}");
        assert!(!error.contains(&cache.display().to_string()), "{error}");
    }
}
