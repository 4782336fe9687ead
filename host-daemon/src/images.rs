//! EIFs, ready to boot: fetched or built once, kept by what they must measure to.

mod cache;

use crate::Error;
use crate::config::Config;
use crate::decide::Assignment;
use crate::files::remove_if_there;
use crate::state_dir::StateDir;
use cache::Cache;
use contract::fault::printable;
use contract::request::Source;
use contract::row::Expected;
use eif_build::bundle::{Bundle, Machine, Store};
use eif_build::digest::Digest;
use eif_build::eif::Pcrs;
use eif_build::image::Credentials;
use eif_build::{ImageRef, Labels, Options};
use std::collections::HashMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use store::Connection;
use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// An EIF that measures to what its row expects.
#[derive(Debug, Clone)]
pub struct Eif {
    /// The file. It may leave the cache at any time: link it.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The machine that boots it.
    pub machine: Machine,
}

/// The images of a host.
#[derive(Debug)]
pub struct Images {
    workshop: Arc<Workshop>,
    /// Who makes an EIF has its lock, so that two rows of one image make it once.
    making: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

/// What it takes to make an EIF.
#[derive(Debug)]
struct Workshop {
    cache: Cache,
    bundles: Store,
    blobs: PathBuf,
    connection: Connection,
    eif_bytes: u64,
    /// How long fetching and building may take, whichever of the two takes it.
    limit: Duration,
}

impl Images {
    /// The images in the cache of `state_dir`.
    pub fn open(config: &Config, state_dir: &StateDir) -> Result<Self, Error> {
        let workshop = Workshop {
            cache: Cache::open(state_dir.cache().join("eif"), config.limits.cache_bytes)?,
            bundles: Store::new(config.bundles.clone()),
            blobs: state_dir.cache().join("images"),
            connection: config.connection(),
            eif_bytes: config.limits.eif_bytes,
            limit: Duration::from_secs(config.limits.image_seconds),
        };
        Ok(Self {
            workshop: Arc::new(workshop),
            making: Mutex::default(),
        })
    }

    /// The EIF that `wanted` asks for: out of the cache, or fetched or built now. It measures to what is expected.
    pub async fn eif(&self, wanted: &Assignment) -> Result<Eif, Error> {
        let mut key = cache::key(&wanted.expected);
        if wanted.request.debug {
            // Its EIF may measure otherwise: never to be taken for another row's that measures so.
            key.push_str("-debug");
        }
        let work = async {
            let alone = self.alone(&key).await;
            let (workshop, key, wanted) = (self.workshop.clone(), key.clone(), wanted.clone());
            let runtime = Handle::current();
            // On a thread of its own: hashing and compressing would keep heartbeats and challenges waiting. Given up,
            // it goes on there to its end, and its lock with it.
            spawn_blocking(move || {
                let done = workshop.provide(&key, &wanted, &runtime);
                drop(alone);
                done
            })
            .await
        };
        let limit = self.workshop.limit;
        match timeout(limit, work).await {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => Err(failed(&wanted.request.source, panic)),
            Err(_) => {
                let problem = format!("was not fetched and built within {} s", limit.as_secs());
                Err(failed(&wanted.request.source, problem))
            }
        }
    }

    async fn alone(&self, key: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            making.retain(|_, lock| lock.strong_count() > 0);
            let known = making.get(key).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let lock = Arc::default();
                making.insert(key.to_owned(), Arc::downgrade(&lock));
                lock
            })
        };
        lock.lock_owned().await
    }
}

impl Workshop {
    fn provide(&self, key: &str, wanted: &Assignment, runtime: &Handle) -> Result<Eif, Error> {
        let source = &wanted.request.source;
        let bundle = self
            .bundle(&wanted.expected)
            .map_err(|error| failed(source, error))?;
        if let Some((path, bytes)) = self.cache.get(key) {
            return Ok(Eif {
                path,
                bytes,
                machine: bundle.machine(),
            });
        }
        let new = self.cache.new_file(key);
        let made = match source {
            Source::Image(image) => runtime.block_on(self.build(image, wanted, &bundle, &new)),
            Source::Eif(uri) => runtime.block_on(self.fetch(uri, &new)),
        };
        let kept = made
            .map_err(|problem| failed(source, problem))
            .and_then(|pcrs| check_measurement(&pcrs, wanted))
            .and_then(|()| self.cache.keep(key));
        if kept.is_err() {
            remove_if_there(&new)?;
        }
        let (path, bytes) = kept?;
        Ok(Eif {
            path,
            bytes,
            machine: bundle.machine(),
        })
    }

    fn bundle(&self, expected: &Expected) -> Result<Bundle, String> {
        let digest: Digest = expected.bundle.parse().map_err(text)?;
        self.bundles.open(&digest).map_err(text)
    }

    /// Builds exactly the expected image, whatever its tag points to now.
    async fn build(
        &self,
        image: &str,
        wanted: &Assignment,
        bundle: &Bundle,
        to: &Path,
    ) -> Result<Pcrs, String> {
        let digest: Digest = wanted.expected.image_digest.parse().map_err(text)?;
        let image: ImageRef = image.parse().map_err(text)?;
        let options = Options {
            credentials: Credentials::docker_default(),
            timeout: self.limit,
            ..Options::new(eif_build::image::Cache::new(self.blobs.clone()))
        };
        let built = eif_build::build(
            &image.with_digest(digest),
            bundle,
            &Labels::default(),
            &options,
            to,
        )
        .await;
        let built = built.map_err(text)?;
        if built.size > self.eif_bytes {
            return Err(too_large(built.size, self.eif_bytes));
        }
        Ok(built.pcrs)
    }

    async fn fetch(&self, uri: &str, to: &Path) -> Result<Pcrs, String> {
        store::objects::fetch(uri, to, self.eif_bytes, &self.connection)
            .await
            .map_err(text)?;
        let mut eif = eif_build::eif::Eif::open(to).map_err(text)?;
        eif.check().and_then(|checked| checked.intact()).map_err(text)
    }
}

/// Refuses an EIF that would not prove what is expected of it, before it is booted: PCR 0, 1 and 2, and 8 of a signed
/// one. In debug mode they read as zero and prove nothing.
fn check_measurement(found: &Pcrs, wanted: &Assignment) -> Result<(), Error> {
    let registers = [
        (0, Some(found.pcr0)),
        (1, Some(found.pcr1)),
        (2, Some(found.pcr2)),
        (8, found.pcr8),
    ];
    for (index, value) in registers {
        let Some(expected) = wanted.expected.pcrs.get(&index.to_string()) else {
            continue;
        };
        let found = value.map_or_else(|| "0".repeat(96), |value| value.to_string());
        if !wanted.request.debug && !expected.eq_ignore_ascii_case(&found) {
            return Err(Error::Measurement {
                image: name(&wanted.request.source),
                pcr: index,
                found,
                expected: printable(expected, 96),
                bundle: printable(&wanted.expected.bundle, 80),
            });
        }
    }
    Ok(())
}

fn failed(source: &Source, problem: impl Display) -> Error {
    Error::Image {
        what: name(source),
        problem: problem.to_string(),
    }
}

fn name(source: &Source) -> String {
    let (Source::Image(name) | Source::Eif(name)) = source;
    printable(name, 256)
}

fn too_large(bytes: u64, limit: u64) -> String {
    format!("its EIF has {bytes} bytes; this host takes {limit} (limits.eif_bytes)")
}

fn text(error: impl Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::{Want, tests::row, want};
    use eif_build::eif::Pcr;

    fn wanted() -> Assignment {
        const ME: &str = "i-0123456789abcdef0";
        match want(&row("DEPLOYING", ME, 2, 2), ME, "us-west-2") {
            Want::Enclave(wanted) => *wanted,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_image_that_measures_otherwise_is_refused_by_its_register() {
        let pcr = |byte| Pcr([byte; 48]);
        let found = Pcrs {
            pcr0: pcr(0),
            pcr1: pcr(1),
            pcr2: pcr(2),
            pcr8: None,
        };
        let mut wanted = wanted();
        for (index, value) in [("0", "00"), ("1", "01"), ("2", "02"), ("16", "ff")] {
            wanted.expected.pcrs.insert(index.into(), value.repeat(48));
        }
        check_measurement(&found, &wanted).unwrap();
        wanted.expected.pcrs.insert("2".into(), "03".repeat(48));
        let error = check_measurement(&found, &wanted).unwrap_err();
        assert!(error.to_string().contains("PCR2 0202"), "{error}");
        wanted.request.debug = true;
        check_measurement(&found, &wanted).unwrap();
        wanted.request.debug = false;
        wanted.expected.pcrs.insert("2".into(), "02".repeat(48));
        wanted.expected.pcrs.insert("8".into(), "08".repeat(48));
        assert!(matches!(
            check_measurement(&found, &wanted),
            Err(Error::Measurement { pcr: 8, .. })
        ));
    }
}
