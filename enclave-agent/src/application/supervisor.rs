//! The application's life: started, watched, started again, ended.

use super::Place;
use super::health::Tracker;
use super::output::Output;
use super::plan::{Outcome, Plan};
use super::probe::{Check, WHILE_STARTING};
use super::process::Process;
use super::restart::{Next, Policy};
use contract::launch::Workload;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// All that is needed to keep an application running.
pub(super) struct Supervisor {
    pub(super) place: Place,
    pub(super) plan: Plan,
    pub(super) check: Check,
    pub(super) workload: Workload,
    pub(super) stop_signal: i32,
    pub(super) tracker: Arc<Mutex<Tracker>>,
    pub(super) output: Arc<Output>,
    /// The grace, once the application is to end.
    pub(super) stop: watch::Receiver<Option<Duration>>,
}

impl Supervisor {
    /// Keeps the application running until it is done, given up or stopped. When this returns, nothing of it is left.
    pub(super) async fn run(self) {
        let mut policy = Policy::new(self.workload);
        while let Some(wait) = self.run_once(&mut policy).await {
            tokio::select! {
                () = sleep(wait) => {}
                _ = self.stopped() => return,
            }
        }
    }

    /// One run. The wait before the next, if there is to be one.
    async fn run_once(&self, policy: &mut Policy) -> Option<Duration> {
        let start = Instant::now();
        self.tracker().started();
        let outcome = match Process::start(&self.place.agent, &self.plan, self.output.clone()) {
            Ok(mut process) => tokio::select! {
                outcome = process.ended() => outcome,
                never = self.watch(start) => match never {},
                grace = self.stopped() => return self.end(process, grace).await,
            },
            Err(error) => {
                self.output
                    .write(format!("treza-agent: cannot start the application: {error}\n").as_bytes());
                Outcome::Exited(126)
            }
        };
        let mut tracker = self.tracker();
        tracker.ended(&outcome);
        let next = policy.next(&outcome, start.elapsed(), tracker.was_healthy());
        crate::say!("the application ended: {outcome:?}; next: {next:?}");
        match next {
            Next::Restart(wait) => return Some(wait),
            Next::Completed => tracker.completed(),
            Next::GiveUp => tracker.given_up(),
        }
        None
    }

    /// Asks the application how it is, as long as it runs.
    async fn watch(&self, start: Instant) -> Infallible {
        let mut answered = false;
        loop {
            match self.check.ask().await {
                Ok(()) => {
                    answered = true;
                    self.tracker().passed();
                }
                Err(reason) => self.tracker().missed(reason, start.elapsed()),
            }
            sleep(if answered {
                self.check.interval()
            } else {
                WHILE_STARTING
            })
            .await;
        }
    }

    /// The grace, once the application is to end.
    async fn stopped(&self) -> Duration {
        let mut stop = self.stop.clone();
        let grace = stop.wait_for(Option::is_some).await.ok().and_then(|grace| *grace);
        match grace {
            Some(grace) => grace,
            // Nobody is left who could say so.
            None => std::future::pending().await,
        }
    }

    async fn end(&self, mut process: Process, grace: Duration) -> Option<Duration> {
        process.signal(self.stop_signal);
        if timeout(grace, process.ended()).await.is_err() {
            process.signal(libc::SIGKILL);
            process.ended().await;
        }
        None
    }

    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
