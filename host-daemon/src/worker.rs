//! One row on this host: a task that does what the table wants of it, step by step, until it is to be forgotten.

mod launch;
mod watch;

pub(crate) use launch::check_size;

use crate::Error;
use crate::decide::{Action, Have, Want, decide};
use crate::driver::Driver;
use crate::enclave_dir::{EnclaveDir, Ended};
use crate::holding::Holding;
use crate::host::Host;
use crate::ledger::Launch;
use contract::RecordId;
use contract::report::{MAX_TEXT, Phase, Report};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch::Receiver;
use tokio::time::{sleep, timeout};

/// How soon what could not be done is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long an enclave that does not answer has to be found dead.
const LAST_BREATH: Duration = Duration::from_millis(500);

/// What a daemon before this one left of a row's enclave.
#[derive(Debug)]
pub enum Found {
    /// It runs.
    Running(Launch, Holding),
    /// It has ended: how, and the last lines of it.
    Ended(Ended, String),
}

/// The task of one row.
#[derive(Debug)]
pub struct Worker<D> {
    host: Arc<Host<D>>,
    id: RecordId,
    want: Receiver<Want>,
    running: Option<(Launch, Holding)>,
    /// What was found of it at the daemon's start, if it was dead.
    remains: Option<(Ended, String)>,
    /// The launch that was given up, and the report that says so.
    failed: Option<(Launch, Report)>,
}

impl<D: Driver> Worker<D> {
    /// The worker of the row `id`, which follows what `want` says of it; with what was `found` of it.
    pub fn new(host: Arc<Host<D>>, id: RecordId, want: Receiver<Want>, found: Option<Found>) -> Self {
        let (running, remains) = match found {
            Some(Found::Running(launch, holding)) => (Some((launch, holding)), None),
            Some(Found::Ended(ended, tail)) => (None, Some((ended, tail))),
            None => (None, None),
        };
        Self {
            host,
            id,
            want,
            running,
            remains,
            failed: None,
        }
    }

    /// Works until the row is to be forgotten.
    pub async fn run(mut self) {
        loop {
            let want = self.want.borrow_and_update().clone();
            let action = self.decide(&want);
            tracing::debug!(id = %self.id, ?action);
            match (action, &want) {
                (Action::Launch, Want::Enclave(wanted)) => {
                    let superseded = superseded(self.want.clone(), wanted.launch.clone());
                    let done = tokio::select! {
                        done = self.bring_up(wanted) => done,
                        () = superseded => Ok(()),
                    };
                    self.mind(&wanted.launch, done).await;
                }
                (Action::Watch, Want::Enclave(wanted)) => {
                    let superseded = superseded(self.want.clone(), wanted.launch.clone());
                    let done = tokio::select! {
                        done = self.watch(wanted) => done,
                        () = superseded => Ok(()),
                    };
                    self.mind(&wanted.launch, done).await;
                }
                (Action::ReportGone, Want::Enclave(wanted)) => self.give_up_gone(&wanted.launch),
                (Action::ReportImpossible, Want::Impossible { launch, reason }) => {
                    let error = Error::Impossible(reason.clone());
                    self.give_up(launch, &error, String::new());
                }
                (Action::ReportStopped, Want::Stopped { generation }) => {
                    let report = self.host.report(&self.id, *generation, Phase::Stopped);
                    self.repeat(&report).await;
                }
                (Action::Rest, _) => match self.failed.clone() {
                    Some((_, report)) => self.repeat(&report).await,
                    None => sleep(AGAIN).await,
                },
                (Action::Stop, _) => {
                    let grace = Duration::from_secs(self.host.config.limits.stop_seconds.into());
                    self.end(Some(grace)).await;
                }
                _ => break,
            }
        }
        if let Err(error) = self.host.ledger.forget(&self.id) {
            tracing::warn!(id = %self.id, %error, "forget the row");
        }
    }

    fn decide(&self, want: &Want) -> Action {
        let launched = self.host.ledger.last(&self.id).unwrap_or_else(|error| {
            // In doubt it was launched: better not at all than twice.
            tracing::error!(id = %self.id, %error);
            want.launch().cloned()
        });
        let have = Have {
            running: self.running.as_ref().map(|(launch, _)| launch),
            launched: launched.as_ref(),
            failed: self.failed.as_ref().map(|(launch, _)| launch),
        };
        decide(want, have)
    }

    /// Gives the launch up if it failed, and ends what runs of it.
    async fn mind(&mut self, launch: &Launch, done: Result<(), Error>) {
        let Err(error) = done else { return };
        let tail = self.end(None).await;
        self.give_up(launch, &error, tail);
    }

    fn give_up_gone(&mut self, launch: &Launch) {
        let (how, tail) = match self.remains.take() {
            Some((ended, tail)) => (ended.how, tail),
            None => (
                "it was launched by a daemon before this one, and nothing of it is left".into(),
                String::new(),
            ),
        };
        self.give_up(launch, &Error::Ended(how), tail);
    }

    fn give_up(&mut self, launch: &Launch, error: &Error, tail: String) {
        tracing::warn!(id = %self.id, generation = launch.generation, %error, "failed");
        let report = self.host.failure(&self.id, launch.generation, error, tail);
        self.failed = Some((launch.clone(), report));
    }

    /// Puts a report, and again after a while, until something else is wanted.
    async fn repeat(&mut self, report: &Report) {
        let pause = if self.host.put(report).await {
            self.host.config.report_interval()
        } else {
            AGAIN
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = changed(&mut self.want) => {}
        }
    }

    /// Ends what runs and removes what it leaves; the last lines of it.
    async fn end(&mut self, grace: Option<Duration>) -> String {
        let Some((_, holding)) = &self.running else {
            return String::new();
        };
        let ended = match holding.stop(&self.host.driver, grace).await {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(id = %self.id, %error, "stop");
                sleep(AGAIN).await;
                return String::new();
            }
        };
        tracing::info!(id = %self.id, how = ended.how, "ended");
        let tail = last_lines(&holding.dir, &ended);
        if let Err(error) = holding.dir.remove() {
            tracing::error!(id = %self.id, %error, "clean up");
        }
        self.running = None;
        tail
    }
}

/// What a person wants to read of an enclave that ended: the application's last lines, or, if there are none, the
/// console's.
pub(crate) fn last_lines(dir: &EnclaveDir, ended: &Ended) -> String {
    let application = dir.application_tail(MAX_TEXT);
    if application.is_empty() {
        ended.console_tail.clone()
    } else {
        application
    }
}

/// What failed, or, if the enclave is found to have ended, that: it says more.
async fn explain(holding: &Holding, error: Error) -> Error {
    match timeout(LAST_BREATH, holding.ended()).await {
        Ok(ended) => Error::Ended(format!("{} ({error})", ended.how)),
        Err(_) => error,
    }
}

/// Returns when the launch is no longer wanted.
async fn superseded(mut want: Receiver<Want>, launch: Launch) {
    while want.borrow_and_update().launch() == Some(&launch) {
        changed(&mut want).await;
    }
}

/// Waits for another want; for ever if there is none any more, since the daemon ends then.
async fn changed(want: &mut Receiver<Want>) {
    if want.changed().await.is_err() {
        std::future::pending().await
    }
}
