//! The agent: what it knows, and what it may still do.

use crate::application::{Application, Place};
use crate::secure_module::SecureModule;
use contract::agent::{Answer, Refusal};
use contract::image::ImageDescription;
use contract::launch::LaunchMessage;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

/// How many requests are read and answered at a time; more wait to be accepted.
const REQUESTS: usize = 64;
/// How many connections may carry the application's bytes at a time.
const STREAMS: u32 = 1024;
/// How long those may take to end once the application has.
const FAREWELL: Duration = Duration::from_secs(1);

/// The agent of an enclave, from its boot to its end.
pub struct Agent {
    pub(crate) secure_module: SecureModule,
    pub(crate) image: ImageDescription,
    pub(crate) place: Place,
    /// Drawn at boot.
    pub(crate) boot_id: [u8; 16],
    /// Of the last statement.
    pub(crate) sequence: AtomicU64,
    /// Whether a launch message was taken up, be it in vain.
    pub(crate) claimed: AtomicBool,
    pub(crate) launched: OnceLock<Launched>,
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    end: watch::Sender<Option<End>>,
}

/// What a launch leaves.
pub(crate) struct Launched {
    pub(crate) message: LaunchMessage,
    pub(crate) digest: [u8; 48],
    pub(crate) ports: Vec<u16>,
    pub(crate) application: Application,
}

/// Why the enclave ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The host asked for it; the application has so long to end by itself.
    Asked(Duration),
    /// The launch failed after it had begun.
    LaunchFailed(String),
}

/// A request that is not granted.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) reason: String,
}

impl Refused {
    pub(crate) fn new(refusal: Refusal, reason: impl ToString) -> Self {
        Self {
            refusal,
            reason: reason.to_string(),
        }
    }
}

impl From<Refused> for Answer {
    fn from(refused: Refused) -> Self {
        Answer::Refused(refused.refusal, refused.reason)
    }
}

impl Agent {
    /// The agent of an enclave with this secure module and image; `boot_id` is random.
    pub fn new(
        secure_module: SecureModule,
        image: ImageDescription,
        place: Place,
        boot_id: [u8; 16],
    ) -> Self {
        Self {
            secure_module,
            image,
            place,
            boot_id,
            sequence: AtomicU64::new(0),
            claimed: AtomicBool::new(false),
            launched: OnceLock::new(),
            requests: Arc::new(Semaphore::new(REQUESTS)),
            streams: Arc::new(Semaphore::new(STREAMS as usize)),
            end: watch::Sender::new(None),
        }
    }

    /// Waits until one more request may be read.
    pub async fn admit(&self) -> OwnedSemaphorePermit {
        match self.requests.clone().acquire_owned().await {
            Ok(permit) => permit,
            // The semaphore is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// Leave for one more connection with the application's bytes.
    pub(crate) fn admit_stream(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let full = |_| {
            Refused::new(
                Refusal::Internal,
                format!("{STREAMS} connections are open: close some"),
            )
        };
        self.streams.clone().try_acquire_owned().map_err(full)
    }

    /// What the launch left, if there was one.
    pub(crate) fn launched(&self) -> Result<&Launched, Refused> {
        let not_yet = || Refused::new(Refusal::NotLaunched, "no launch message was taken yet");
        self.launched.get().ok_or_else(not_yet)
    }

    /// The enclave is to end; the first reason counts.
    pub(crate) fn end(&self, end: End) {
        self.end.send_if_modified(|decided| {
            let first = decided.is_none();
            decided.get_or_insert(end);
            first
        });
    }

    /// Waits until the enclave is to end and everything in it has.
    pub async fn ended(&self) -> End {
        let end = match self.end.subscribe().wait_for(Option::is_some).await {
            Ok(end) => end.clone(),
            Err(_) => None,
        };
        let end = end.unwrap_or(End::Asked(Duration::ZERO));
        if let (Some(launched), End::Asked(grace)) = (self.launched.get(), &end) {
            launched.application.stop(*grace).await;
            let _ = timeout(FAREWELL, self.streams.acquire_many(STREAMS)).await;
        }
        end
    }
}
