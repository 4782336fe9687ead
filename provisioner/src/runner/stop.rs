//! SIGTERM, from the run's begin to its end: Fargate sends it 120 s before it kills.
//!
//! Nothing new is begun once it has come and no wait goes on, Terraform is asked to end, and what is left to do (to note
//! what came of it, to give the lease back) is done.

use super::Error;
use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether the run was told to end. It stays told.
#[derive(Debug, Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens from now on, as long as the process lives.
    pub(super) fn listen() -> io::Result<Self> {
        let mut terminated = signal(SignalKind::terminate())?;
        let (tell, told) = watch::channel(false);
        tokio::spawn(async move {
            terminated.recv().await;
            tracing::warn!("the run is told to end");
            tell.send_replace(true);
        });
        Ok(Self(told))
    }

    /// Returns once the run is told to end; at once, if it was.
    pub(super) async fn told(&self) {
        let mut told = self.0.clone();
        if told.wait_for(|told| *told).await.is_err() {
            // Nobody listens any more: the process is at its end.
            std::future::pending().await
        }
    }

    /// Before something is begun.
    pub(super) fn check(&self) -> Result<(), Error> {
        if *self.0.borrow() {
            return Err(Error::Terminated);
        }
        Ok(())
    }

    /// Does `work`, which may be broken off at any of its waits, unless the run is told to end.
    pub(super) async fn unless<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = self.told() => Err(Error::Terminated),
            done = work => Ok(done),
        }
    }
}
