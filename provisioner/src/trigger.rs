//! The trigger: a record of the rows' stream in which a row *enters* a request raises its generation, once.
//!
//! DynamoDB delivers each record at least once and, after a fault, again. So the row keeps the sequence number of the
//! record that last raised its generation: a repeat of that record raises nothing and only asks for the same
//! execution again, whose name tells that it is there already.

use crate::fail;
use crate::pipeline::{Error, MOST_TRIES, Pipeline, value};
use crate::workflow::{Execution, MAX_GENERATION, Work};
use contract::item::{AttributeValue, Item};
use contract::row::{Row, Trigger, attribute, key};
use contract::stream::Record;
use contract::{Fault, RecordId, Status};
use std::cmp::Ordering;
use store::Change;

/// Takes a record up. Answers the execution to start, if the record asks for one.
///
/// # Errors
/// The tables do not answer, or others kept changing the row: the record is to be delivered again.
pub async fn handle(pipeline: &Pipeline, record: &Record) -> Result<Option<Execution>, Error> {
    if pipeline.hosts.are_dedicated()
        && let Some(release) = released(record)
    {
        return Ok(Some(release));
    }
    let Some((id, status)) = entered(record) else {
        return Ok(None);
    };
    let latest = latest_turn(pipeline, record, id).await?;
    // Mostly the row is still as the record shows it, which saves a read; the write tells if it is not.
    let mut shown = record.new.clone().filter(|item| Row::read(item.clone()).is_ok());
    for _ in 0..MOST_TRIES {
        let item = match shown.take() {
            Some(item) => item,
            None => match pipeline.rows.get(id).await? {
                Some(item) => item,
                None => return Ok(None),
            },
        };
        let row = match Row::read(item.clone()) {
            Ok(row) => row,
            Err(faults) => {
                fail::unreadable(pipeline, id, &item, faults).await?;
                return Ok(None);
            }
        };
        match decide(record, status, &row, latest) {
            Decision::Nothing => return Ok(None),
            Decision::Again => return Ok(execution(&row, row.generation, status)),
            Decision::Raise(generation) => {
                let change = raised(pipeline, record, generation)?;
                if pipeline.write(&row, &change).await? {
                    return Ok(execution(&row, generation, status));
                }
            }
            Decision::Exhausted => {
                let faults = [attribute::GENERATION, attribute::EXPECTED]
                    .map(|name| Fault::new(name, "is of a generation that cannot be raised any further"));
                fail::unreadable(pipeline, id, &item, faults.into()).await?;
                return Ok(None);
            }
        }
    }
    Err(Error::Contended(id.to_owned()))
}

/// The row's id and status, if its status is another than before and one that asks for something (or that
/// nobody knows; of a row without one, empty). A client that writes the whole row anew asks anew, even where the
/// status stays: what had been taken up of the row before is gone from it.
fn entered(record: &Record) -> Option<(&str, &str)> {
    let status = |item| text(item, attribute::STATUS).unwrap_or_default();
    let new = record.new.as_ref()?;
    let before = record.old.as_ref().map(status);
    let status = status(new);
    let asks = Status::parse(status).map_or(true, Status::is_request);
    let taken_up = |item: &Item| item.contains_key(attribute::TRIGGER);
    let written_anew = record.old.as_ref().is_some_and(taken_up) && !taken_up(new);
    (asks && (before != Some(status) || written_anew)).then_some((key(new)?, status))
}

/// The execution that gives the host of a row back which has failed or was deleted, whatever it was in the middle of: no
/// other turn does, so that none need be at work for it.
fn released(record: &Record) -> Option<Execution> {
    let old = record.old.as_ref()?;
    let has_failed = |item| text(item, attribute::STATUS) == Some(Status::Failed.as_str());
    let ended = match &record.new {
        Some(new) => has_failed(new) && !has_failed(old),
        None => true,
    };
    Some(Execution {
        id: RecordId::parse(key(old).filter(|_| ended)?).ok()?,
        generation: generation_of(record),
        work: Work::Release,
    })
}

/// The highest generation that the record itself knows of: a client that writes a row anew loses it in the row.
fn generation_of(record: &Record) -> u64 {
    let of = |item: &Option<Item>| match item.as_ref().and_then(|item| item.get(attribute::GENERATION)) {
        Some(AttributeValue::N(digits)) => digits.parse().unwrap_or(0),
        _ => 0,
    };
    of(&record.old).max(of(&record.new))
}

/// The execution for the record's own status: the row may have moved on meanwhile, which is for its steps to find out.
fn execution(row: &Row, generation: u64, status: &str) -> Option<Execution> {
    Execution::new(&row.id, generation, Status::parse(status).ok()?)
}

/// What a record that enters `status` means for the row as it stands.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// The row has moved on, or a later record was taken up.
    Nothing,
    /// It is the very record that was taken up.
    Again,
    /// It is to be taken up, as this generation.
    Raise(u64),
    /// It would be, but for the generation's end.
    Exhausted,
}

/// The latest turn of a row of this id that was deleted before this one was written; 0 of a row that went on.
async fn latest_turn(pipeline: &Pipeline, record: &Record, id: &str) -> Result<u64, Error> {
    match RecordId::parse(id) {
        Ok(id) if record.old.is_none() => pipeline.hosts.latest_turn(&id).await,
        _ => Ok(0),
    }
}

/// `latest` is the latest turn that is known of besides.
fn decide(record: &Record, status: &str, row: &Row, latest: u64) -> Decision {
    let kept = row.trigger.as_ref();
    match kept.map(|kept| by_number(&record.sequence, &kept.sequence)) {
        Some(Ordering::Less) => return Decision::Nothing,
        Some(Ordering::Equal) if kept.is_some_and(|kept| kept.generation == row.generation) => {
            return Decision::Again;
        }
        _ => {}
    }
    if row.status.as_str() != status {
        return Decision::Nothing;
    }
    // An expectation that a client wrote is never of the generation that begins here.
    let expected = row.expected.as_ref().map_or(0, |expected| expected.generation);
    let highest = generation_of(record)
        .max(row.generation)
        .max(expected)
        .max(latest);
    match highest.checked_add(1) {
        Some(next) if next <= MAX_GENERATION => Decision::Raise(next),
        _ => Decision::Exhausted,
    }
}

fn raised(pipeline: &Pipeline, record: &Record, generation: u64) -> Result<Change, Error> {
    let trigger = Trigger {
        sequence: record.sequence.clone(),
        generation,
    };
    Ok(Change::new()
        .number(attribute::GENERATION, generation)
        .set(attribute::TRIGGER, value(&trigger)?)
        .number(attribute::STATUS_SINCE, pipeline.now_ms())
        .remove(attribute::STATUS_REASON))
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    }
}

/// Compares two decimals of any length.
fn by_number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::item;
    use proptest::prelude::*;

    fn record(sequence: &str, old: Option<&str>, new: Option<&str>) -> Record {
        let read = |text: &str| item::read(text).unwrap();
        Record {
            sequence: sequence.into(),
            old: old.map(read),
            new: new.map(read),
        }
    }

    fn row(text: &str) -> Row {
        Row::read(item::read(text).unwrap()).unwrap()
    }

    #[test]
    fn only_entering_a_request_counts() {
        let pending = r#"{"id": "a", "status": "PENDING_DEPLOY"}"#;
        let failed = r#"{"id": "a", "status": "FAILED"}"#;
        assert!(entered(&record("1", None, Some(pending))).is_some());
        assert!(entered(&record("1", Some(failed), Some(pending))).is_some());
        assert!(entered(&record("1", Some(pending), Some(pending))).is_none());
        let taken =
            r#"{"id": "a", "status": "PENDING_DEPLOY", "trigger": {"sequence": "1", "generation": 1}}"#;
        assert!(entered(&record("2", Some(pending), Some(taken))).is_none());
        assert!(
            entered(&record("2", Some(taken), Some(pending))).is_some(),
            "written anew"
        );
        assert!(entered(&record("1", Some(pending), Some(failed))).is_none());
        assert!(entered(&record("1", Some(pending), None)).is_none());
        assert!(entered(&record("1", None, Some(r#"{"id": "a", "status": "LAUNCH"}"#))).is_some());
        for none in [r#"{"id": "a", "status": 3}"#, r#"{"id": "a"}"#] {
            assert!(entered(&record("1", None, Some(none))).is_some(), "{none}");
            assert!(
                entered(&record("1", Some(pending), Some(none))).is_some(),
                "{none}"
            );
            assert!(
                entered(&record("1", Some(none), Some(pending))).is_some(),
                "{none}"
            );
            assert!(
                entered(&record("1", Some(none), Some(failed))).is_none(),
                "{none}"
            );
        }
        assert!(entered(&record("1", None, Some("{}"))).is_none(), "no key");
    }

    #[test]
    fn a_row_that_fails_or_is_deleted_gives_its_host_back() {
        let row = |status: &str| format!(r#"{{"id": "a", "status": "{status}", "generation": 3}}"#);
        let failed = row("FAILED");
        for before in [
            "PENDING_DEPLOY",
            "DEPLOYING",
            "DEPLOYED",
            "PAUSING",
            "RESUMING",
            "DESTROYING",
            "LAUNCH",
        ] {
            for after in [Some(failed.as_str()), None] {
                let release = released(&record("1", Some(&row(before)), after)).unwrap();
                assert_eq!(
                    (release.name().as_str(), release.work),
                    ("a_3", Work::Release),
                    "{before}"
                );
            }
        }
        for (before, after) in [
            (Some(failed.clone()), failed.clone()),
            (None, failed),
            (Some(row("DEPLOYING")), row("DEPLOYED")),
        ] {
            assert_eq!(released(&record("1", before.as_deref(), Some(&after))), None);
        }
    }

    #[test]
    fn each_record_raises_once() {
        let status = "PENDING_DEPLOY";
        let new = record("10", None, Some(r#"{"id": "a", "status": "PENDING_DEPLOY"}"#));
        let fresh = row(r#"{"id": "a", "status": "PENDING_DEPLOY"}"#);
        assert_eq!(decide(&new, status, &fresh, 0), Decision::Raise(1));
        let taken = row(
            r#"{"id": "a", "status": "DEPLOYING", "generation": 1, "trigger": {"sequence": "10", "generation": 1}}"#,
        );
        assert_eq!(decide(&new, status, &taken, 0), Decision::Again);
        let later = row(
            r#"{"id": "a", "status": "PENDING_DEPLOY", "generation": 2, "trigger": {"sequence": "11", "generation": 2}}"#,
        );
        assert_eq!(decide(&new, status, &later, 0), Decision::Nothing);
        let moved = row(r#"{"id": "a", "status": "PENDING_DESTROY"}"#);
        assert_eq!(decide(&new, status, &moved, 0), Decision::Nothing);
    }

    #[test]
    fn a_generation_that_a_client_wrote_away_is_not_used_twice() {
        let replaced = record(
            "12",
            Some(r#"{"id": "a", "status": "FAILED", "generation": 7}"#),
            Some(r#"{"id": "a", "status": "PENDING_DEPLOY"}"#),
        );
        let now = row(r#"{"id": "a", "status": "PENDING_DEPLOY"}"#);
        assert_eq!(decide(&replaced, "PENDING_DEPLOY", &now, 0), Decision::Raise(8));
        let last = row(&format!(
            r#"{{"id": "a", "status": "PENDING_DEPLOY", "generation": {}}}"#,
            MAX_GENERATION
        ));
        assert_eq!(decide(&replaced, "PENDING_DEPLOY", &last, 0), Decision::Exhausted);
    }

    #[test]
    fn sequence_numbers_are_numbers_of_any_length() {
        assert_eq!(by_number("9", "10"), Ordering::Less);
        assert_eq!(by_number("0010", "10"), Ordering::Equal);
        let long = "9".repeat(40);
        assert_eq!(by_number(&long, &format!("1{}", "0".repeat(40))), Ordering::Less);
    }

    proptest! {
        #[test]
        fn sequence_numbers_compare_as_numbers(a: u128, b: u128) {
            prop_assert_eq!(by_number(&a.to_string(), &b.to_string()), a.cmp(&b));
        }
    }
}
