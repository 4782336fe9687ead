//! The lease of a row's host: who has it works on the host, alone.

use super::Error;
use super::stop::Stop;
use contract::RecordId;
use std::time::{Duration, Instant};
use store::{Leased, Turns};
use tokio::task::JoinHandle;

/// How often a lease is renewed while it lasts: two renewals may be lost.
const RENEWALS: u32 = 4;
/// The wait between two tries, and how long a run waits at most for the one before it.
const TRY: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// A lease, renewed until it is given back or dropped.
pub(super) struct Lease {
    turns: Turns,
    id: RecordId,
    owner: String,
    renewing: JoinHandle<()>,
}

impl Lease {
    /// Waits for the lease of the row `id`, which lasts for `lasts` where it is not renewed: so long a run that was lost
    /// keeps the next one waiting. None: a later turn has begun. A wait ends where the run is told to, a call never does,
    /// so that no lease is taken which nobody gives back.
    pub(super) async fn take(
        turns: &Turns,
        id: &RecordId,
        generation: u64,
        owner: String,
        lasts: Duration,
        stop: &Stop,
    ) -> Result<Option<Self>, Error> {
        let deadline = Instant::now() + PATIENCE;
        let mut waiting = false;
        loop {
            match turns.lease(id, generation, &owner, lasts).await? {
                Leased::Yes => break,
                Leased::Superseded => return Ok(None),
                Leased::Busy if Instant::now() > deadline => return Err(Error::Busy(PATIENCE.as_secs())),
                Leased::Busy => {
                    if !std::mem::replace(&mut waiting, true) {
                        tracing::info!(%id, "another run has the host; waiting for it");
                    }
                    stop.unless(tokio::time::sleep(TRY)).await?;
                }
            }
        }
        Ok(Some(Self {
            renewing: tokio::spawn(renew(turns.clone(), id.clone(), owner.clone(), lasts)),
            turns: turns.clone(),
            id: id.clone(),
            owner,
        }))
    }

    /// Gives it back.
    pub(super) async fn release(self) {
        self.renewing.abort();
        if let Err(error) = self.turns.release(&self.id, &self.owner).await {
            tracing::warn!(%error, "the lease was not given back; it ends by itself");
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

/// Renews the lease for ever. Where that fails, Terraform's own lock still keeps others out.
async fn renew(turns: Turns, id: RecordId, owner: String, lasts: Duration) {
    loop {
        tokio::time::sleep(lasts / RENEWALS).await;
        match turns.renew(&id, &owner, lasts).await {
            Ok(true) => {}
            Ok(false) => tracing::error!(%id, "the lease is another run's now"),
            Err(error) => tracing::warn!(%id, %error, "the lease could not be renewed"),
        }
    }
}
