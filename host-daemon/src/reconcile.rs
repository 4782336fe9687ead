//! Rows against enclaves: looks at the table again and again, and tells each row's worker what is wanted of it.

use crate::Error;
use crate::decide::{Want, want};
use crate::driver::Driver;
use crate::enclave_dir::EnclaveDir;
use crate::holding::Holding;
use crate::host::Host;
use crate::worker::{Found, Worker, last_lines};
use contract::RecordId;
use contract::fault::{describe, printable};
use contract::row::Row;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Keeps the host's enclaves as the table wants them, for ever. Begins with what a daemon before this one left.
pub async fn reconcile<D: Driver>(host: Arc<Host<D>>) -> Result<(), Error> {
    let found = take_over(&host).await?;
    let mut workers = Workers {
        host: host.clone(),
        found,
        all: HashMap::new(),
    };
    let mut trouble = None;
    loop {
        let problem = workers.round().await.err().map(|error| error.to_string());
        match &problem {
            Some(problem) if trouble.is_none() => {
                tracing::warn!(problem, "the table; what runs goes on running")
            }
            None if trouble.is_some() => tracing::info!("the table answers again"),
            _ => {}
        }
        trouble = problem;
        sleep(host.config.poll()).await;
    }
}

/// The workers of all rows.
struct Workers<D> {
    host: Arc<Host<D>>,
    /// What a daemon before this one left, until the table says what is wanted of it.
    found: HashMap<RecordId, Found>,
    all: HashMap<RecordId, (watch::Sender<Want>, JoinHandle<()>)>,
}

impl<D: Driver> Workers<D> {
    /// Looks at every row that is assigned to this host, or of which something is here.
    async fn round(&mut self) -> Result<(), store::Error> {
        let mut ids: BTreeSet<RecordId> = self.all.keys().chain(self.found.keys()).cloned().collect();
        for id in self
            .host
            .rows
            .ids_by_host(&self.host.identity.instance_id)
            .await?
        {
            match RecordId::parse(&id) {
                Ok(id) => drop(ids.insert(id)),
                Err(error) => tracing::debug!(%error, "a row is passed over"),
            }
        }
        for id in ids {
            // The index may lag behind; the row itself does not.
            let want = self.look(&id).await?;
            self.tell(id, want);
        }
        Ok(())
    }

    async fn look(&self, id: &RecordId) -> Result<Want, store::Error> {
        let Some(item) = self.host.rows.get(id).await? else {
            return Ok(Want::Nothing);
        };
        let config = &self.host.config;
        Ok(match Row::read(item) {
            Ok(row) => want(&row, &self.host.identity.instance_id, &config.region),
            Err(faults) => {
                tracing::debug!(%id, faults = printable(&describe(&faults), 500), "a row that does not read");
                Want::Nothing
            }
        })
    }

    /// Tells the row's worker; makes one where there is something to do.
    fn tell(&mut self, id: RecordId, want: Want) {
        if let Some((sender, task)) = self.all.get(&id) {
            if !task.is_finished() {
                sender.send_if_modified(|told| {
                    let differs = *told != want;
                    *told = want;
                    differs
                });
                return;
            }
            self.all.remove(&id);
        }
        let found = self.found.remove(&id);
        if found.is_some() || want != Want::Nothing {
            let (sender, receiver) = watch::channel(want);
            let worker = Worker::new(self.host.clone(), id.clone(), receiver, found);
            self.all.insert(id, (sender, tokio::spawn(worker.run())));
        }
    }
}

/// Takes over the enclaves' directories: what lives is kept for its row, what is dead is cleaned up. What an operator
/// started outside any row is the operator's while it lives.
async fn take_over<D: Driver>(host: &Host<D>) -> Result<HashMap<RecordId, Found>, Error> {
    let mut found: HashMap<RecordId, Found> = HashMap::new();
    for dir in host.state_dir.enclaves()? {
        let Some(holding) = Holding::find(dir.clone())? else {
            if let Some((id, _)) = dir.owner() {
                let ended = dir.ended();
                let tail = last_lines(&dir, &ended);
                found.entry(id).or_insert(Found::Ended(ended, tail));
            }
            dir.remove()?;
            continue;
        };
        match dir.owner() {
            Some((id, launch)) => {
                tracing::info!(%id, generation = launch.generation, dir = %dir.path().display(), "found running");
                if let Some(Found::Running(_, other)) = found.insert(id, Found::Running(launch, holding)) {
                    // One row has one enclave.
                    discard(host, &other).await?;
                }
            }
            None if dir.spec().is_ok() => {}
            None => discard(host, &holding).await?,
        }
    }
    Ok(found)
}

async fn discard<D: Driver>(host: &Host<D>, holding: &Holding) -> Result<(), Error> {
    let dir: &EnclaveDir = &holding.dir;
    tracing::warn!(dir = %dir.path().display(), "belongs to no row: stopped");
    holding.stop(&host.driver, None).await?;
    dir.remove()
}
