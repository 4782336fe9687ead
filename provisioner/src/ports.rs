//! What the pipeline needs of the world besides its tables: images, hosts, someone to tell, a clock.

use crate::error::Error;
use contract::request::{EnclaveRequest, Source};
use contract::row::Host;
use contract::{Fault, RecordId};
use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use std::collections::BTreeMap;
use std::time::SystemTime;
use store::MeasuredImage;

/// What is known of an image before it is launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// The image's digest, `sha256:…`: from here on nothing asks for the tag again.
    pub image_digest: String,
    /// The bundle that it is built with, `sha256:…`.
    pub bundle: String,
    /// PCR 0, 1, 2, and 8 for a signed image.
    pub pcrs: BTreeMap<u8, [u8; 48]>,
    /// The EIF's size in bytes.
    pub eif_bytes: u64,
}

impl From<Measured> for MeasuredImage {
    fn from(measured: Measured) -> Self {
        let hexadecimal = |(index, value): (u8, [u8; 48])| (index.to_string(), hex::encode(value));
        Self {
            image_digest: measured.image_digest,
            bundle: measured.bundle,
            pcrs: measured.pcrs.into_iter().map(hexadecimal).collect(),
            eif_bytes: measured.eif_bytes,
        }
    }
}

impl TryFrom<MeasuredImage> for Measured {
    type Error = Error;

    fn try_from(noted: MeasuredImage) -> Result<Self, Error> {
        let wrong = |index: &str| Error::Final(format!("the noted PCR {index} is not 48 bytes in hex"));
        let mut pcrs = BTreeMap::new();
        for (index, text) in &noted.pcrs {
            let mut value = [0; 48];
            hex::decode_to_slice(text, &mut value).map_err(|_| wrong(index))?;
            pcrs.insert(index.parse().map_err(|_| wrong(index))?, value);
        }
        Ok(Self {
            image_digest: noted.image_digest,
            bundle: noted.bundle,
            pcrs,
            eif_bytes: noted.eif_bytes,
        })
    }
}

/// Images and their measurements.
pub trait Images: Send + Sync {
    /// Resolves and measures `source` with the pipeline's own bundle.
    ///
    /// # Errors
    /// [`Error::Passing`] for what another try may mend, [`Error::Final`] for the rest.
    fn measure<'a>(&'a self, source: &'a Source) -> BoxFuture<'a, Result<Measured, Error>>;
}

/// Hosts that run enclaves.
pub trait Hosts: Send + Sync {
    /// Whether a host of these can run what `request` asks for, whatever it is built from.
    ///
    /// # Errors
    /// The field that asks for too much, and the limit.
    fn check(&self, request: &EnclaveRequest) -> Result<(), Fault>;

    /// A host for a row's turn. Asked again for the same row, it answers the same host.
    ///
    /// # Errors
    /// As for [`Images::measure`].
    fn provide<'a>(&'a self, id: &'a RecordId, generation: u64) -> BoxFuture<'a, Result<Host, Error>>;

    /// The latest turn that is known of a row of this id, whose hosts are dedicated; 0: none. A row that was deleted and is
    /// written anew goes on counting there, as the executions of its first turns have their names for good.
    ///
    /// # Errors
    /// As for [`Images::measure`].
    fn latest_turn<'a>(&'a self, id: &'a RecordId) -> BoxFuture<'a, Result<u64, Error>>;

    /// Whether a host is made for its row and goes with it: then a row is DESTROYED once its host is gone, and not
    /// already when its enclave has stopped.
    fn are_dedicated(&self) -> bool;
}

/// Whoever is to hear of failures.
pub trait Notifier: Send + Sync {
    /// The row `id` FAILED, for this reason.
    fn failed<'a>(&'a self, id: &'a str, reason: &'a str) -> BoxFuture<'a, ()>;
}

/// The time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> SystemTime;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Tells of failures in the log.
#[derive(Debug, Clone, Copy)]
pub struct LogNotifier;

impl Notifier for LogNotifier {
    fn failed<'a>(&'a self, id: &'a str, reason: &'a str) -> BoxFuture<'a, ()> {
        tracing::error!(id, reason, "the row failed");
        future::ready(()).boxed()
    }
}
