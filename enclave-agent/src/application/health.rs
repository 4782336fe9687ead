//! How the application is, from what is seen of it.

use super::output::Output;
use super::plan::Outcome;
use contract::statement::{Exit, Health, HealthState, MAX_DETAIL};
use std::time::Duration;

/// So many probes missed in a row are more than a hiccup.
const MISSES: u32 = 3;
/// An application that has not answered so long after its start is not just starting.
const START: Duration = Duration::from_secs(60);

/// What was seen of the application so far.
pub(super) struct Tracker {
    state: HealthState,
    reason: String,
    starts: u32,
    last_exit: Option<Exit>,
    ended: bool,
    /// Whether the present run has been healthy, and how many probes it missed since it last was.
    answered: bool,
    misses: u32,
    ever_healthy: bool,
}

impl Default for Tracker {
    fn default() -> Self {
        Self {
            state: HealthState::Unknown,
            reason: "has not been started yet".into(),
            starts: 0,
            last_exit: None,
            ended: false,
            answered: false,
            misses: 0,
            ever_healthy: false,
        }
    }
}

impl Tracker {
    /// It is being started, for the first time or again.
    pub(super) fn started(&mut self) {
        self.starts = self.starts.saturating_add(1);
        (self.answered, self.misses) = (false, 0);
        self.state = if self.starts == 1 {
            HealthState::Unknown
        } else {
            HealthState::Degraded
        };
        self.reason = "is starting".into();
    }

    /// It is as it should be.
    pub(super) fn passed(&mut self) {
        (self.answered, self.misses, self.ever_healthy) = (true, 0, true);
        self.state = HealthState::Healthy;
        self.reason.clear();
    }

    /// It did not answer, `since_start` after it was started.
    pub(super) fn missed(&mut self, reason: String, since_start: Duration) {
        self.reason = reason;
        if self.answered {
            self.misses = self.misses.saturating_add(1);
            self.state = if self.misses >= MISSES {
                HealthState::Unhealthy
            } else {
                HealthState::Degraded
            };
        } else if since_start >= START {
            self.state = HealthState::Unhealthy;
        }
    }

    /// It ended, or could not be started. More may follow.
    pub(super) fn ended(&mut self, outcome: &Outcome) {
        let (exit, reason) = match outcome {
            Outcome::Exited(code) => (Exit::Code(*code), format!("ended with exit code {code}")),
            Outcome::Killed(signal) => (Exit::Signal(*signal), format!("was ended by signal {signal}")),
            Outcome::NotStarted { code, reason } => {
                (Exit::Code(*code), format!("cannot be started: {reason}"))
            }
        };
        self.last_exit = Some(exit);
        self.state = HealthState::Unhealthy;
        self.reason = reason;
    }

    /// After an end: its work is done.
    pub(super) fn completed(&mut self) {
        self.ended = true;
        self.state = HealthState::Healthy;
        self.reason = "completed".into();
    }

    /// After an end: it is not started again.
    pub(super) fn given_up(&mut self) {
        self.ended = true;
    }

    /// Whether it was healthy once.
    pub(super) fn was_healthy(&self) -> bool {
        self.ever_healthy
    }

    /// The health for a statement; where it is bad, with the last lines of `output`.
    pub(super) fn health(&self, output: &Output) -> Health {
        let mut detail = shortened(&self.reason, MAX_DETAIL / 2);
        if self.state == HealthState::Unhealthy {
            let heading = "\nlast output:\n";
            let tail = output.tail(MAX_DETAIL - detail.len() - heading.len());
            if !tail.is_empty() {
                detail += heading;
                detail += &tail;
            }
        }
        Health {
            state: self.state,
            restarts: self.starts.saturating_sub(1),
            last_exit: self.last_exit,
            ended: self.ended,
            detail,
        }
    }
}

/// The beginning of `text`, printable, at most `limit` bytes.
fn shortened(text: &str, limit: usize) -> String {
    let mut short = String::new();
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if short.len() + c.len_utf8() > limit {
            break;
        }
        short.push(c);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(tracker: &Tracker) -> HealthState {
        tracker.health(&Output::default()).state
    }

    #[test]
    fn a_missed_probe_is_degraded_and_the_third_in_a_row_unhealthy() {
        let mut tracker = Tracker::default();
        assert_eq!(state(&tracker), HealthState::Unknown);
        tracker.started();
        tracker.missed("nobody listens".into(), Duration::from_secs(1));
        assert_eq!(
            state(&tracker),
            HealthState::Unknown,
            "it may take its time to start"
        );
        tracker.missed("nobody listens".into(), START);
        assert_eq!(state(&tracker), HealthState::Unhealthy, "but not for ever");
        tracker.passed();
        assert_eq!(state(&tracker), HealthState::Healthy);
        let mut seen = Vec::new();
        for _ in 0..3 {
            tracker.missed("no answer".into(), START);
            seen.push(state(&tracker));
        }
        assert_eq!(
            seen,
            [
                HealthState::Degraded,
                HealthState::Degraded,
                HealthState::Unhealthy
            ]
        );
        tracker.passed();
        tracker.missed("no answer".into(), START);
        assert_eq!(
            state(&tracker),
            HealthState::Degraded,
            "an answer in between counts"
        );
    }

    #[test]
    fn an_end_is_unhealthy_with_its_exit_and_last_lines_and_a_restart_is_counted() {
        let (mut tracker, output) = (Tracker::default(), Output::default());
        tracker.started();
        output.write(b"cannot open configuration\n");
        tracker.ended(&Outcome::Exited(3));
        let health = tracker.health(&output);
        assert_eq!(
            (health.state, health.last_exit),
            (HealthState::Unhealthy, Some(Exit::Code(3)))
        );
        assert_eq!(
            health.detail,
            "ended with exit code 3\nlast output:\ncannot open configuration"
        );
        assert!(!health.ended);
        tracker.started();
        let health = tracker.health(&output);
        assert_eq!((health.state, health.restarts), (HealthState::Degraded, 1));
        tracker.ended(&Outcome::Killed(9));
        tracker.given_up();
        assert!(tracker.health(&output).ended);
    }

    #[test]
    fn a_completed_batch_is_healthy() {
        let mut tracker = Tracker::default();
        tracker.started();
        tracker.ended(&Outcome::Exited(0));
        tracker.completed();
        let health = tracker.health(&Output::default());
        assert_eq!(
            (health.state, health.ended, &*health.detail),
            (HealthState::Healthy, true, "completed")
        );
    }

    #[test]
    fn the_detail_keeps_its_bound() {
        let (mut tracker, output) = (Tracker::default(), Output::default());
        output.write("ä".repeat(4096).as_bytes());
        tracker.ended(&Outcome::NotStarted {
            code: 126,
            reason: "\u{1b}ö".repeat(2000),
        });
        let detail = tracker.health(&output).detail;
        assert!(
            detail.len() <= MAX_DETAIL && detail.len() > MAX_DETAIL - 8,
            "{}",
            detail.len()
        );
    }
}
