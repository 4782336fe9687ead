//! What all workers of a daemon share.

use crate::Error;
use crate::config::Config;
use crate::driver::Driver;
use crate::files::bounded;
use crate::heartbeat::Heartbeats;
use crate::identity::Identity;
use crate::images::Images;
use crate::ledger::Ledger;
use crate::state_dir::StateDir;
use attestation::Root;
use contract::RecordId;
use contract::report::{MAX_TEXT, Phase, Report};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::{Reports, Rows};
use tokio::time::timeout;

/// How long the table may take to take a report.
const PUT_LIMIT: Duration = Duration::from_secs(15);

/// A host, as its daemon's workers have it.
#[derive(Debug)]
pub struct Host<D> {
    /// The configuration.
    pub config: Config,
    /// Who it is.
    pub identity: Identity,
    /// Where everything stands.
    pub state_dir: StateDir,
    /// What runs enclaves.
    pub driver: D,
    /// The rows.
    pub rows: Rows,
    /// This host's word on them.
    pub reports: Reports,
    /// The images to run.
    pub images: Images,
    /// What was launched.
    pub ledger: Ledger,
    /// The boot heartbeats.
    pub heartbeats: Heartbeats,
    /// The roots that evidence may stand on.
    pub roots: Vec<Root>,
    /// The program that holders are started from: this one.
    pub program: PathBuf,
}

impl<D: Driver> Host<D> {
    /// A report without evidence.
    pub fn report(&self, id: &RecordId, generation: u64, phase: Phase) -> Report {
        Report {
            id: id.to_string(),
            generation,
            phase,
            statement: None,
            document: None,
            enclave: None,
            endpoints: Vec::new(),
            reason: None,
            log_tail: None,
            daemon_version: env!("CARGO_PKG_VERSION").into(),
            reported_at: now_ms(),
        }
    }

    /// A report of a failure.
    pub fn failure(&self, id: &RecordId, generation: u64, error: &Error, log_tail: String) -> Report {
        Report {
            reason: Some(bounded(error.to_string(), MAX_TEXT)),
            log_tail: Some(bounded(log_tail, MAX_TEXT)).filter(|tail| !tail.is_empty()),
            ..self.report(id, generation, Phase::Failed)
        }
    }

    /// Puts a report, with the time that it is now; whether the table took it.
    pub async fn put(&self, report: &Report) -> bool {
        let report = Report {
            reported_at: now_ms(),
            ..report.clone()
        };
        let problem = match timeout(PUT_LIMIT, self.reports.put(&report)).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", PUT_LIMIT.as_secs()),
        };
        tracing::warn!(id = report.id, phase = ?report.phase, problem, "a report could not be put; it will be again");
        false
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
