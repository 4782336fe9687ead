//! When an application that ended is started again.

use super::plan::Outcome;
use contract::launch::Workload;
use std::time::Duration;

/// The first wait before a new start; it doubles with each.
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// An application that ran so long starts over with the first wait.
const STEADY: Duration = Duration::from_secs(60);
/// A service that ended so often and was never healthy is given up.
const TRIES: u32 = 3;

/// What follows an end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A new start after this time.
    Restart(Duration),
    /// Nothing: the work is done.
    Completed,
    /// Nothing: there is no sense in another try.
    GiveUp,
}

/// The rule, with what it remembers.
pub(super) struct Policy {
    workload: Workload,
    wait: Duration,
    ends: u32,
}

impl Policy {
    pub(super) fn new(workload: Workload) -> Self {
        Self {
            workload,
            wait: FIRST,
            ends: 0,
        }
    }

    /// What follows `outcome` of an application that ran for `ran`; `ever_healthy`: in this run or an earlier one.
    pub(super) fn next(&mut self, outcome: &Outcome, ran: Duration, ever_healthy: bool) -> Next {
        match (outcome, self.workload) {
            (Outcome::NotStarted { .. }, _) => return Next::GiveUp,
            (Outcome::Exited(0), Workload::Batch) => return Next::Completed,
            (_, Workload::Batch) => return Next::GiveUp,
            (_, Workload::Service) => {}
        }
        self.ends += 1;
        if self.ends >= TRIES && !ever_healthy {
            return Next::GiveUp;
        }
        if ran >= STEADY {
            self.wait = FIRST;
        }
        let wait = self.wait;
        self.wait = (wait * 2).min(LONGEST);
        Next::Restart(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(1);

    #[test]
    fn a_service_waits_longer_each_time_and_starts_over_when_it_was_steady() {
        let mut policy = Policy::new(Workload::Service);
        let mut waits = Vec::new();
        for _ in 0..9 {
            match policy.next(&Outcome::Exited(0), SHORT, true) {
                Next::Restart(wait) => waits.push(wait.as_millis()),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(
            policy.next(&Outcome::Killed(9), STEADY, true),
            Next::Restart(FIRST)
        );
        assert_eq!(
            policy.next(&Outcome::Killed(9), SHORT, true),
            Next::Restart(FIRST * 2)
        );
    }

    #[test]
    fn a_service_that_never_was_healthy_is_given_up_at_its_third_end() {
        let mut policy = Policy::new(Workload::Service);
        assert!(matches!(
            policy.next(&Outcome::Exited(1), SHORT, false),
            Next::Restart(_)
        ));
        assert!(matches!(
            policy.next(&Outcome::Exited(1), SHORT, false),
            Next::Restart(_)
        ));
        assert_eq!(policy.next(&Outcome::Exited(1), SHORT, false), Next::GiveUp);
    }

    #[test]
    fn a_batch_runs_once() {
        let next = |outcome| Policy::new(Workload::Batch).next(&outcome, SHORT, true);
        assert_eq!(next(Outcome::Exited(0)), Next::Completed);
        assert_eq!(next(Outcome::Exited(3)), Next::GiveUp);
        assert_eq!(next(Outcome::Killed(11)), Next::GiveUp);
    }

    #[test]
    fn what_cannot_be_started_is_not_tried_again() {
        let outcome = Outcome::NotStarted {
            code: 127,
            reason: String::new(),
        };
        assert_eq!(
            Policy::new(Workload::Service).next(&outcome, SHORT, true),
            Next::GiveUp
        );
    }
}
