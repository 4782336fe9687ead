//! Verification: a host's report is read as hostile, its evidence checked against the row's own expectation, and only
//! what was verified reaches `attestation` and `health`.
//!
//! What of a report is the host's word alone: that it failed or stopped (it could do either anyway), where the
//! endpoints are, what the enclave is called.

mod evidence;

use crate::endings::{failure, released, settled};
use crate::pipeline::{Error, MOST_TRIES, Pipeline, reason};
use contract::item::Item;
use contract::report::{Phase, Report};
use contract::row::Row;
use contract::{RecordId, Status, fault};
use store::Change;

pub(crate) use evidence::{MAX_AGE, MAX_REPORT_AGE, refusal_of, stored, verified_at};

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is in the row.
    Taken,
    /// It says nothing that the row does not say already, or comes too late: nothing was written.
    Ignored(&'static str),
    /// It cannot be a report on the row's present turn: nothing was written.
    Rejected(String),
    /// The row is FAILED: the host could not, or the application ended.
    Failed(String),
    /// The evidence was refused, and the row is FAILED.
    Refused(String),
}

/// What a report means for the row as it stands.
struct Decision {
    verdict: Verdict,
    change: Option<Change>,
}

impl Decision {
    fn leave(verdict: Verdict) -> Self {
        Self {
            verdict,
            change: None,
        }
    }

    fn ignore(why: &'static str) -> Self {
        Self::leave(Verdict::Ignored(why))
    }

    fn write(verdict: Verdict, change: Change) -> Self {
        Self {
            verdict,
            change: Some(change),
        }
    }
}

/// Takes up a report, an item of the reports table as its stream brings it.
///
/// # Errors
/// The tables do not answer, or others kept changing the row: the report is to be delivered again.
pub async fn verify(pipeline: &Pipeline, item: Item) -> Result<Verdict, Error> {
    let report = match Report::read(item) {
        Ok(report) => report,
        Err(fault) => return Ok(Verdict::Rejected(fault.to_string())),
    };
    let id = match RecordId::parse(&report.id) {
        Ok(id) => id,
        Err(bad) => return Ok(Verdict::Rejected(bad.to_string())),
    };
    for _ in 0..MOST_TRIES {
        let row = match pipeline.rows.get(&id).await?.map(Row::read) {
            Some(Ok(row)) => row,
            Some(Err(faults)) => return Ok(Verdict::Rejected(fault::describe(&faults))),
            None => return Ok(Verdict::Ignored("there is no such row")),
        };
        let Decision { verdict, change } = decide(pipeline, &row, &report)?;
        let Some(change) = change else {
            return Ok(verdict);
        };
        if pipeline.write(&row, &change).await? {
            if let Verdict::Failed(why) | Verdict::Refused(why) = &verdict {
                pipeline.notifier.failed(id.as_str(), why).await;
            }
            return Ok(verdict);
        }
    }
    Err(Error::Contended(id.to_string()))
}

fn decide(pipeline: &Pipeline, row: &Row, report: &Report) -> Result<Decision, Error> {
    if report.generation > row.generation {
        let (found, present) = (report.generation, row.generation);
        let why = format!("speaks of generation {found}; the row's is {present}");
        return Ok(Decision::leave(Verdict::Rejected(why)));
    }
    if report.generation < row.generation {
        return Ok(Decision::ignore("speaks of an earlier generation"));
    }
    match report.phase {
        Phase::Launching => Ok(Decision::ignore("is at it")),
        Phase::Running => evidence::judge(pipeline, row, report),
        Phase::Failed => failed(pipeline, row, report),
        Phase::Stopped => stopped(pipeline, row),
    }
}

/// Whether the row's present turn is one that runs an enclave and has been assigned: a request that no trigger has
/// taken up yet does not count.
fn is_assigned(row: &Row) -> bool {
    row.status.wants_enclave() && row.current_expectation().is_some()
}

/// Whether the row's present turn is one that ends its enclave.
fn is_ending(row: &Row) -> bool {
    matches!(row.status, Status::Destroying | Status::Pausing) && row.current_expectation().is_none()
}

fn failed(pipeline: &Pipeline, row: &Row, report: &Report) -> Result<Decision, Error> {
    if !is_assigned(row) && !is_ending(row) {
        return Ok(Decision::ignore("failed at what the row no longer waits for"));
    }
    let said = report.reason.as_deref().unwrap_or("it gives no reason");
    let mut why = format!("the host says: {said}");
    if let Some(tail) = report.log_tail.as_deref().filter(|tail| !tail.trim().is_empty()) {
        why = format!("{why}; last lines: {tail}");
    }
    let why = reason(&why);
    let change = failure(pipeline, row, &why)?;
    Ok(Decision::write(Verdict::Failed(why), change))
}

/// A host that has stopped its enclave: the row lets go of it where that was asked for, or where it has failed.
/// While an enclave is wanted the word says nothing: the host may not have seen the assignment yet.
fn stopped(pipeline: &Pipeline, row: &Row) -> Result<Decision, Error> {
    if row.status == Status::Destroying && is_ending(row) && pipeline.hosts.are_dedicated() {
        // DESTROYED it is once its host is gone too.
        return Ok(match row.host_id {
            Some(_) => Decision::write(Verdict::Taken, released(Change::new())),
            None => Decision::ignore("has stopped, as it said before"),
        });
    }
    if is_ending(row) {
        return Ok(Decision::write(Verdict::Taken, settled(pipeline, row)?));
    }
    if row.status == Status::Failed && row.host_id.is_some() {
        return Ok(Decision::write(Verdict::Taken, released(Change::new())));
    }
    Ok(Decision::ignore(
        "stopped what the row does not want to be stopped",
    ))
}
