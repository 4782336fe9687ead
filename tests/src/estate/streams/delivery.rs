//! How a batch is delivered: what is invoked again after a failure, with which records, and what is given up.
//!
//! Lambda's rules. A function that reports batch item failures is given again all from the first failed record on; one
//! that fails altogether is given the whole batch again. With bisection a failed batch is cut before that (at the
//! failed record, else in the middle), and a cut does not count as a retry. After the last retry, or when the records are
//! too old, what is left of the batch goes to the destination on failure, and the stream goes on.

use serde_json::Value;
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

/// The rules of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    /// The function reports batch item failures.
    pub(super) partial: bool,
    /// A failed batch is cut.
    pub(super) bisect: bool,
    /// How often a batch is tried again; none: for ever.
    pub(super) retries: Option<u32>,
    /// How old a record may become; none: as the stream keeps it.
    pub(super) age: Option<Duration>,
}

/// Why a batch was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// `RetryAttemptsExhausted`
    RetryAttemptsExhausted,
    /// `RecordAgeExceeded`
    RecordAgeExceeded,
}

/// What an invocation came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// What the function answered.
    Response(Value),
    /// It failed, or was not invoked.
    Failed,
}

/// A part of the batch, and how often it was tried in vain.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// The records, as they are delivered.
    pub(super) records: Vec<Value>,
    /// Invocations of it so far.
    pub(super) invocations: u32,
    retries: u32,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Invoke the function with this part; after a retry, after a wait.
    Invoke(Part),
    /// Tell the destination on failure.
    GiveUp(Part, Condition),
    /// All has been delivered or given up.
    Done,
}

/// The delivery of one batch.
#[derive(Debug)]
pub(super) struct Delivery<'a> {
    rules: &'a Rules,
    /// What is still to be delivered, in order.
    parts: VecDeque<Part>,
}

impl<'a> Delivery<'a> {
    /// The delivery of these records.
    pub(super) fn new(rules: &'a Rules, records: Vec<Value>) -> Self {
        let mut delivery = Self {
            rules,
            parts: VecDeque::new(),
        };
        delivery.push(records, 0, 0);
        delivery
    }

    /// What to do next.
    pub(super) fn next(&mut self, now: SystemTime) -> Step {
        let Some(mut part) = self.parts.pop_front() else {
            return Step::Done;
        };
        if self
            .rules
            .age
            .is_some_and(|age| age_of(&part.records[0], now) > age)
        {
            return Step::GiveUp(part, Condition::RecordAgeExceeded);
        }
        if self.rules.retries.is_some_and(|most| part.retries > most) {
            return Step::GiveUp(part, Condition::RetryAttemptsExhausted);
        }
        part.invocations += 1;
        Step::Invoke(part)
    }

    /// What the function answered to the part that it was just invoked with. Answers the retry's number (from 1) if the
    /// same records are to be tried again.
    pub(super) fn answered(&mut self, part: Part, answer: &Answer) -> Option<u32> {
        let failed = match answer {
            Answer::Response(response) if self.rules.partial => first_failed(&part.records, response),
            Answer::Response(_) => None,
            Answer::Failed => Some(0),
        };
        let Part {
            mut records,
            invocations,
            retries,
        } = part;
        let at = failed?;
        let mut left = records.split_off(at);
        match (self.rules.bisect, at, left.len()) {
            (true, 1.., _) => self.push(left, 0, retries),
            (true, 0, 2..) => {
                let second = left.split_off(left.len() / 2);
                self.push(second, 0, retries);
                self.push(left, 0, retries);
            }
            _ => {
                self.push(left, invocations, retries + 1);
                return Some(retries + 1);
            }
        }
        None
    }

    fn push(&mut self, records: Vec<Value>, invocations: u32, retries: u32) {
        if !records.is_empty() {
            self.parts.push_front(Part {
                records,
                invocations,
                retries,
            });
        }
    }
}

/// The index of the first record that failed; none: all are done. An answer that is no report fails them all.
fn first_failed(records: &[Value], response: &Value) -> Option<usize> {
    let failures = match response {
        Value::Null => return None,
        Value::Object(report) => match report.get("batchItemFailures") {
            None | Some(Value::Null) => return None,
            Some(Value::Array(failures)) => failures,
            Some(_) => return Some(0),
        },
        _ => return Some(0),
    };
    let index = |failure: &Value| {
        let wanted = failure.get("itemIdentifier")?.as_str()?;
        records.iter().position(|record| sequence(record) == wanted)
    };
    // One that names nothing of this batch: the report cannot be understood, and all are failed.
    failures.iter().map(|failure| index(failure).unwrap_or(0)).min()
}

/// A record's sequence number.
pub(super) fn sequence(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
}

/// When a record was written, in seconds since the epoch.
pub(super) fn created(record: &Value) -> f64 {
    record["dynamodb"]["ApproximateCreationDateTime"]
        .as_f64()
        .unwrap_or_default()
}

fn age_of(record: &Value, now: SystemTime) -> Duration {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let created = Duration::try_from_secs_f64(created(record)).unwrap_or_default();
    now.saturating_sub(created)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const RULES: Rules = Rules {
        partial: true,
        bisect: true,
        retries: Some(2),
        age: None,
    };

    fn records(numbers: impl IntoIterator<Item = u32>) -> Vec<Value> {
        let record = |n: u32| json!({"dynamodb": {"SequenceNumber": n.to_string(), "ApproximateCreationDateTime": 1_000}});
        numbers.into_iter().map(record).collect()
    }

    fn numbers(records: &[Value]) -> Vec<u32> {
        records
            .iter()
            .map(|record| sequence(record).parse().unwrap())
            .collect()
    }

    fn failures(numbers: &[u32]) -> Answer {
        let named = |n: &u32| json!({"itemIdentifier": n.to_string()});
        let failures: Vec<_> = numbers.iter().map(named).collect();
        Answer::Response(json!({ "batchItemFailures": failures }))
    }

    /// What a function saw, and what was given up.
    #[derive(Debug, PartialEq)]
    struct Seen {
        batches: Vec<Vec<u32>>,
        given_up: Vec<(Vec<u32>, u32)>,
    }

    /// Delivers 1 to `last` to `function`.
    fn deliver(rules: &Rules, last: u32, mut function: impl FnMut(&[u32]) -> Answer) -> Seen {
        let mut delivery = Delivery::new(rules, records(1..=last));
        let mut seen = Seen {
            batches: Vec::new(),
            given_up: Vec::new(),
        };
        loop {
            match delivery.next(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000)) {
                Step::Invoke(part) => {
                    let batch = numbers(&part.records);
                    assert!(seen.batches.len() < 100, "{seen:?}");
                    let answer = function(&batch);
                    seen.batches.push(batch);
                    delivery.answered(part, &answer);
                }
                Step::GiveUp(part, condition) => {
                    assert_eq!(condition, Condition::RetryAttemptsExhausted);
                    seen.given_up.push((numbers(&part.records), part.invocations));
                }
                Step::Done => return seen,
            }
        }
    }

    #[test]
    fn what_is_answered_well_is_delivered_once() {
        for answer in [
            json!(null),
            json!({}),
            json!({"batchItemFailures": []}),
            json!({"batchItemFailures": null}),
        ] {
            let seen = deliver(&RULES, 3, |_| Answer::Response(answer.clone()));
            assert_eq!(
                (seen.batches, seen.given_up),
                (vec![vec![1, 2, 3]], vec![]),
                "{answer}"
            );
        }
    }

    #[test]
    fn from_the_first_failed_record_on_all_are_given_again() {
        let mut first = true;
        let seen = deliver(&RULES, 5, |_| match std::mem::take(&mut first) {
            true => failures(&[4, 3]),
            false => failures(&[]),
        });
        assert_eq!(seen.batches, [vec![1, 2, 3, 4, 5], vec![3, 4, 5]]);
        assert!(seen.given_up.is_empty());
    }

    #[test]
    fn a_report_that_cannot_be_understood_fails_all() {
        let rules = Rules {
            bisect: false,
            retries: Some(0),
            ..RULES
        };
        for answer in [
            json!("text"),
            json!({"batchItemFailures": "text"}),
            json!({"batchItemFailures": [{"itemIdentifier": ""}]}),
            json!({"batchItemFailures": [{"identifier": "2"}]}),
            json!({"batchItemFailures": [{"itemIdentifier": "9"}]}),
        ] {
            let seen = deliver(&rules, 3, |_| Answer::Response(answer.clone()));
            assert_eq!(seen.given_up, [(vec![1, 2, 3], 1)], "{answer}");
        }
    }

    #[test]
    fn a_poison_record_is_found_by_bisection_and_the_rest_goes_on() {
        let poison = |batch: &[u32]| match batch.contains(&5) {
            true => Answer::Failed,
            false => Answer::Response(json!({})),
        };
        let seen = deliver(&RULES, 8, poison);
        assert_eq!(seen.given_up, [(vec![5], 3)], "one invocation and two retries");
        let delivered: Vec<_> = seen
            .batches
            .iter()
            .filter(|batch| !batch.contains(&5))
            .flatten()
            .copied()
            .collect();
        assert_eq!(delivered, [1, 2, 3, 4, 6, 7, 8], "once each, in order");
        // And where the function can name it.
        let seen = deliver(&RULES, 8, |batch| {
            failures(if batch.contains(&5) { &[5] } else { &[] })
        });
        assert_eq!(seen.given_up, [(vec![5], 3)]);
        assert_eq!(seen.batches[0], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(seen.batches[1], [5, 6, 7, 8]);
        assert_eq!(seen.batches.last().unwrap(), &[7, 8]);
    }

    #[test]
    fn without_bisection_the_batch_is_given_up_whole() {
        let rules = Rules {
            bisect: false,
            ..RULES
        };
        let seen = deliver(&rules, 3, |_| Answer::Failed);
        assert_eq!(seen.batches, vec![vec![1, 2, 3]; 3]);
        assert_eq!(seen.given_up, [(vec![1, 2, 3], 3)]);
    }

    #[test]
    fn without_reports_only_a_failure_fails() {
        let rules = Rules {
            partial: false,
            ..RULES
        };
        assert_eq!(deliver(&rules, 3, |_| failures(&[2])).batches.len(), 1);
    }

    #[test]
    fn a_retry_is_numbered_and_a_cut_is_none() {
        let mut delivery = Delivery::new(&RULES, records([1, 2]));
        let now = SystemTime::UNIX_EPOCH;
        let mut invoke = || match delivery.next(now) {
            Step::Invoke(part) => delivery.answered(part, &Answer::Failed),
            step => panic!("{step:?}"),
        };
        assert_eq!([invoke(), invoke(), invoke()], [None, Some(1), Some(2)]);
    }

    #[test]
    fn records_that_are_too_old_are_given_up() {
        let rules = Rules {
            age: Some(Duration::from_secs(60)),
            retries: None,
            ..RULES
        };
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut delivery = Delivery::new(&rules, records([1]));
        let Step::Invoke(part) = delivery.next(at(1_060)) else {
            panic!("too early")
        };
        delivery.answered(part, &Answer::Failed);
        let step = delivery.next(at(1_061));
        assert!(
            matches!(step, Step::GiveUp(_, Condition::RecordAgeExceeded)),
            "{step:?}"
        );
        assert_eq!(delivery.next(at(1_061)), Step::Done);
    }
}
