//! The daemon, put together.

use crate::Error;
use crate::config::{Config, DriverName};
use crate::driver::Emulator;
use crate::heartbeat::{Heartbeats, HubListener};
use crate::holder::terminated;
use crate::host::Host;
use crate::identity::Identity;
use crate::images::Images;
use crate::ledger::Ledger;
use crate::reconcile::reconcile;
use crate::state_dir::StateDir;
use attestation::Root;
use nsm::development::Authority;
use std::path::PathBuf;
use std::sync::Arc;
use store::{Reports, Rows};

/// Runs the daemon until it is told to end. The enclaves go on: their holders are processes of their own.
pub async fn run(config: Config) -> Result<(), Error> {
    let state_dir = StateDir::open(&config.state_dir)?;
    let _lock = state_dir.lock()?;
    let mut roots = config.roots()?;
    match config.driver {
        DriverName::Emulator => roots.push(development_root(&config)?),
    }
    let listener = HubListener::bind(&state_dir.hub())?;
    let heartbeats = Heartbeats::default();
    tokio::spawn(heartbeats.clone().serve(listener));
    let database = config.connection().dynamodb().await;
    let tables = config.tables();
    let program = program()?;
    let identity = Identity::find(&config).await?;
    let host = Arc::new(Host {
        identity,
        driver: Emulator,
        rows: Rows::new(database.clone(), tables.rows),
        reports: Reports::new(database, tables.reports),
        images: Images::open(&config, &state_dir)?,
        ledger: Ledger::open(state_dir.launched())?,
        heartbeats,
        roots,
        program,
        state_dir,
        config,
    });
    tracing::info!(instance = host.identity.instance_id, state_dir = %host.state_dir.root().display(), "daemon runs");
    let hub = host.state_dir.hub();
    tokio::select! {
        ended = reconcile(host) => ended?,
        () = terminated() => tracing::info!("daemon ends; what runs goes on running"),
    }
    HubListener::unlink(&hub)
}

/// This program's own file, which holders are started from.
pub(crate) fn program() -> Result<PathBuf, Error> {
    std::env::current_exe().map_err(|source| Error::Io {
        what: "find this program's own file".into(),
        source,
    })
}

/// The emulator's own root. To configure the emulator is to say that its enclaves may stand on it.
fn development_root(config: &Config) -> Result<Root, Error> {
    let path = config.development_ca();
    let wrong = |problem: String| Error::Config {
        path: path.clone(),
        problem,
    };
    let authority = Authority::open(&path).map_err(|error| wrong(error.to_string()))?;
    Root::from_der(authority.certificate()).map_err(|error| wrong(error.to_string()))
}
