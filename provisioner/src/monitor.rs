//! The monitor, once a minute: fresh challenges, evidence gone STALE, rows that wait for what does not come, and the
//! stored evidence verified once more. It asks the index by status and never scans.

use crate::endings::failure;
use crate::fail;
use crate::pipeline::{Error, Pipeline, value};
use crate::place::challenge;
use crate::verify::{MAX_AGE, MAX_REPORT_AGE, refusal_of, stored, verified_at};
use contract::row::{Attestation, AttestationState, Expected, Row, attribute};
use contract::{Status, status};
use std::time::Duration;
use store::Change;

/// What a request may wait longer than any status which it may be written over, so that it is never taken for stuck on
/// account of what stood there before it.
const REQUEST_LONGER: Duration = Duration::from_secs(5 * 60);

/// How long a challenge stays at least: schedules call the monitor at least once a minute, and now and then twice. With
/// the report that answers it on its way for as long as reports are judged, and asked for a little before, it still counts.
const MIN_CHALLENGE_AGE: Duration = MAX_REPORT_AGE.saturating_add(Duration::from_secs(15));

/// What one look at all rows came to.
#[derive(Debug, Default)]
pub struct Watched {
    /// Rows that run or wait.
    pub rows: u64,
    /// Rows that waited too long, and are FAILED now.
    pub stuck: u64,
    /// Rows whose evidence is STALE.
    pub stale: u64,
    /// Rows whose stored evidence does not verify any more, and are FAILED now.
    pub refused: u64,
    /// Rows that could not be looked after, by id.
    pub faults: Vec<(String, Error)>,
}

/// What became of one row.
enum Look {
    Well,
    Stuck,
    Stale,
    Refused,
}

/// Looks after all rows that run or wait, at the pipeline's present time. One row's fault does not keep it from the
/// others.
pub async fn monitor(pipeline: &Pipeline) -> Result<Watched, Error> {
    let mut watched = Watched::default();
    for status in status::ALL {
        if !status.is_transient() && status != Status::Deployed {
            continue;
        }
        for id in pipeline.rows.ids_by_status(status).await? {
            watched.rows += 1;
            match look_after(pipeline, &id).await {
                Ok(Look::Well) => {}
                Ok(Look::Stuck) => watched.stuck += 1,
                Ok(Look::Stale) => watched.stale += 1,
                Ok(Look::Refused) => watched.refused += 1,
                Err(error) => watched.faults.push((id, error)),
            }
        }
    }
    Ok(watched)
}

/// One write at most; a row that changes meanwhile is looked after the next time.
async fn look_after(pipeline: &Pipeline, id: &str) -> Result<Look, Error> {
    let Some(item) = pipeline.rows.get(id).await? else {
        return Ok(Look::Well);
    };
    let row = match Row::read(item.clone()) {
        Ok(row) => row,
        // No step can go on with it, and no report will move it.
        Err(faults) => {
            fail::unreadable(pipeline, id, &item, faults).await?;
            return Ok(Look::Well);
        }
    };
    let (change, failure) = match row.status {
        Status::Deployed => running(pipeline, &row)?,
        status if status.is_transient() => waiting(pipeline, &row)?,
        _ => return Ok(Look::Well),
    };
    let stale = row.status == Status::Deployed && (is_stale(&row) || gone_stale(pipeline, &row).is_some());
    if change == Change::new() {
        return Ok(if stale { Look::Stale } else { Look::Well });
    }
    let written = pipeline.write(&row, &change).await?;
    let Some(why) = failure.filter(|_| written) else {
        return Ok(if stale { Look::Stale } else { Look::Well });
    };
    pipeline.notifier.failed(id, &why).await;
    Ok(match row.status {
        Status::Deployed => Look::Refused,
        _ => Look::Stuck,
    })
}

fn is_stale(row: &Row) -> bool {
    row.proven()
        .is_some_and(|attestation| attestation.state == AttestationState::Stale)
}

/// A row that is DEPLOYED: its stored evidence, the age of it, the next challenge.
fn running(pipeline: &Pipeline, row: &Row) -> Result<(Change, Option<String>), Error> {
    if let Err(refusal) = stored(pipeline, row) {
        let why = format!("the row's evidence does not verify any more: {refusal}");
        return Ok((refusal_of(pipeline, row, &why)?, Some(why)));
    }
    let mut change = Change::new();
    if let Some(expected) = row.current_expectation().filter(|now| is_due(pipeline, now)) {
        let next = Expected {
            challenge: challenge()?,
            challenge_since: Some(pipeline.now_ms()),
            previous_challenge: Some(expected.challenge.clone()),
            ..expected.clone()
        };
        change = change.set(attribute::EXPECTED, value(&next)?);
    }
    if let Some(stale) = gone_stale(pipeline, row) {
        change = change.set(attribute::ATTESTATION, value(&stale)?);
    }
    Ok((change, None))
}

/// Whether the challenge has been the row's for long enough. One of the future, which no clock of ours wrote, is.
fn is_due(pipeline: &Pipeline, expected: &Expected) -> bool {
    expected
        .challenge_since
        .is_none_or(|since| u128::from(pipeline.now_ms().abs_diff(since)) >= MIN_CHALLENGE_AGE.as_millis())
}

fn gone_stale(pipeline: &Pipeline, row: &Row) -> Option<Attestation> {
    let attestation = row.proven()?;
    let at = verified_at(attestation)?;
    let age = pipeline.clock.now().duration_since(at).ok()?;
    (age > MAX_AGE && attestation.state != AttestationState::Stale).then(|| Attestation {
        state: AttestationState::Stale,
        reason: Some(format!("no verified report for {} s", age.as_secs())),
        ..attestation.clone()
    })
}

/// A row that waits: FAILED after its limit. A request that no trigger has taken up gets its time from here on.
fn waiting(pipeline: &Pipeline, row: &Row) -> Result<(Change, Option<String>), Error> {
    let now = pipeline.now_ms();
    let Some(since) = row.status_since else {
        return Ok((Change::new().number(attribute::STATUS_SINCE, now), None));
    };
    let limit = if row.status.is_request() {
        pipeline.patience + REQUEST_LONGER
    } else {
        pipeline.patience
    };
    let waited = Duration::from_millis(now.saturating_sub(since));
    if waited <= limit {
        return Ok((Change::new(), None));
    }
    let why = format!(
        "{} for {} s, waiting for {}",
        row.status,
        waited.as_secs(),
        awaited(row)
    );
    Ok((failure(pipeline, row, &why)?, Some(why)))
}

/// What a row that is stuck was waiting for, and where to look.
fn awaited(row: &Row) -> String {
    let host = row.host_id.as_deref().unwrap_or("no host yet");
    match row.status {
        Status::PendingDeploy | Status::PendingDestroy => {
            "the pipeline to take it up: is it running, and does it read the table's stream?".into()
        }
        Status::Destroying | Status::Pausing => {
            format!("its host ({host}) to say that the enclave has stopped: does the host daemon run?")
        }
        _ if row.current_expectation().is_none() => {
            "its image to be measured and a host to be provided: see the pipeline's log".into()
        }
        _ if row.proven().is_some() => {
            let (state, detail) = row.health.as_ref().map_or(("UNKNOWN", ""), |health| {
                (&health.state, health.detail.lines().next().unwrap_or_default())
            });
            format!(
                "its application to be healthy; it attests and is {state} ({detail}): see its log and its probe"
            )
        }
        _ => format!("evidence from its host ({host}): does the host daemon run, and does the enclave boot?"),
    }
}
