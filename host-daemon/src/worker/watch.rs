//! A running enclave: launch message, challenges, reports.

use super::{Worker, changed, explain};
use crate::Error;
use crate::agent::AgentError;
use crate::decide::{Assignment, Want};
use crate::driver::Driver;
use crate::evidence::{self, Evidence};
use crate::holding::Holding;
use contract::ports::AGENT;
use contract::report::{EnclaveName, Endpoint, Phase, Report};
use contract::row::Expected;
use contract::statement::{Exit, HealthState};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// The pause between two challenges while the application has not shown itself: its first health is waited for.
const QUICK: Duration = Duration::from_millis(150);
/// The pause between two challenges after that.
const STEADY: Duration = Duration::from_secs(2);
/// How long an application is expected to show itself any moment.
const QUICK_FOR: Duration = Duration::from_secs(120);

impl<D: Driver> Worker<D> {
    /// Gives the launch message, if it was not given, then challenges and reports for ever; an error when it fails.
    pub(super) async fn watch(&self, wanted: &Assignment) -> Result<(), Error> {
        let Some((_, holding)) = &self.running else {
            return Ok(());
        };
        let observed = tokio::select! {
            ended = holding.ended() => return Err(Error::Ended(ended.how)),
            observed = self.observe(wanted, holding) => observed,
        };
        match observed {
            Err(error) => Err(explain(holding, error).await),
            done => done,
        }
    }

    async fn observe(&self, wanted: &Assignment, holding: &Holding) -> Result<(), Error> {
        let message =
            wanted
                .request
                .launch_message(&wanted.id, wanted.launch.generation, &wanted.expected.bundle);
        let endpoints = holding.launch(&message).await?;
        let status = holding.status().await?;
        let cid = holding.dir.spec()?.cid.into();
        let name = EnclaveName {
            enclave_id: status.module_id,
            cid,
        };
        let mut want = self.want.clone();
        let mut said: Option<Said> = None;
        let begun = Instant::now();
        let (mut silent_since, mut is_settled) = (begun, false);
        loop {
            let expected = match &*want.borrow_and_update() {
                Want::Enclave(now) if now.launch == wanted.launch => now.expected.clone(),
                _ => return Ok(()),
            };
            match self.challenge(wanted, &expected, holding).await {
                Ok(evidence) => {
                    silent_since = Instant::now();
                    if said.is_none() {
                        tracing::info!(id = %self.id, "attested");
                    }
                    let health = &evidence.said.health;
                    is_settled |= health.ended || health.state == HealthState::Healthy;
                    let due = Said::of(&evidence, &expected);
                    let interval = self.host.config.report_interval();
                    if said.as_ref().is_none_or(|said| said.is_outdated(&due, interval)) {
                        let report = self.running_report(wanted, evidence, &name, &endpoints);
                        said = self.host.put(&report).await.then_some(due);
                    }
                }
                Err(error) if is_passing(&error) && silent_since.elapsed() < self.silence() => {
                    tracing::warn!(id = %self.id, %error, "no evidence; again");
                }
                Err(error) => return Err(error),
            }
            let pause = if is_settled || begun.elapsed() > QUICK_FOR {
                STEADY
            } else {
                QUICK
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = changed(&mut want) => {}
            }
        }
    }

    async fn challenge(
        &self,
        wanted: &Assignment,
        expected: &Expected,
        holding: &Holding,
    ) -> Result<Evidence, Error> {
        let unreached = |source| Error::Agent {
            asked: "for evidence",
            source,
        };
        let connecting = timeout(STEADY, self.host.driver.connect(&holding.dir, AGENT)).await;
        let mut stream = match connecting {
            Ok(connected) => connected.map_err(|error| unreached(error.into()))?,
            Err(_) => return Err(unreached(AgentError::TimedOut(STEADY))),
        };
        evidence::take(&mut stream, wanted, expected, &self.host.roots).await
    }

    fn silence(&self) -> Duration {
        Duration::from_secs(self.host.config.limits.silence_seconds)
    }

    fn running_report(
        &self,
        wanted: &Assignment,
        evidence: Evidence,
        name: &EnclaveName,
        endpoints: &[Endpoint],
    ) -> Report {
        Report {
            statement: Some(evidence.statement),
            document: Some(evidence.document),
            enclave: Some(name.clone()),
            endpoints: endpoints.to_vec(),
            ..self
                .host
                .report(&self.id, wanted.launch.generation, Phase::Running)
        }
    }
}

/// Whether it may be better at the next try: the agent was not reached, or was slow. What it says counts.
fn is_passing(error: &Error) -> bool {
    matches!(
        error,
        Error::Agent {
            source: AgentError::Io(_) | AgentError::TimedOut(_),
            ..
        }
    )
}

/// What was last reported, as far as a change of it is worth a report of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    challenge: String,
    health: (HealthState, u32, Option<Exit>, bool),
    /// The first line of the health's detail, which says what the probe got.
    probe: String,
    at: Instant,
}

impl Said {
    fn of(evidence: &Evidence, expected: &Expected) -> Self {
        let health = &evidence.said.health;
        Self {
            challenge: expected.challenge.clone(),
            health: (health.state, health.restarts, health.last_exit, health.ended),
            probe: health.detail.lines().next().unwrap_or_default().to_owned(),
            at: Instant::now(),
        }
    }

    /// Whether `now` is to be reported after this.
    fn is_outdated(&self, now: &Self, interval: Duration) -> bool {
        let changed =
            (&self.challenge, &self.health, &self.probe) != (&now.challenge, &now.health, &now.probe);
        changed || now.at.duration_since(self.at) >= interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_reported_at_once_and_sameness_at_intervals() {
        let at = Instant::now();
        let said = Said {
            challenge: "aa".into(),
            health: (HealthState::Healthy, 0, None, false),
            probe: String::new(),
            at,
        };
        let interval = Duration::from_secs(30);
        assert!(!said.is_outdated(&said, interval));
        let later = Said {
            at: at + interval,
            ..said.clone()
        };
        assert!(said.is_outdated(&later, interval));
        let challenged = Said {
            challenge: "bb".into(),
            ..said.clone()
        };
        assert!(said.is_outdated(&challenged, interval));
        let probed = Said {
            probe: "GET / on port 80: status 404".into(),
            ..said.clone()
        };
        assert!(said.is_outdated(&probed, interval));
        for health in [
            (HealthState::Degraded, 0, None, false),
            (HealthState::Healthy, 1, None, false),
            (HealthState::Healthy, 0, Some(Exit::Code(0)), false),
            (HealthState::Healthy, 0, None, true),
        ] {
            assert!(said.is_outdated(
                &Said {
                    health,
                    ..said.clone()
                },
                interval
            ));
        }
    }
}
