//! The monitor, once a minute: fresh challenges, evidence gone STALE, rows that wait for what does not come, and the
//! stored evidence verified once more. It asks the index by status and never scans.

use crate::endings::failure;
use crate::fail;
use crate::pipeline::{Error, Pipeline, value};
use crate::place::challenge;
use crate::verify::{MAX_AGE, refusal_of, stored, verified_at};
use contract::row::{Attestation, AttestationState, Expected, Row, attribute};
use contract::{Status, status};
use std::time::Duration;
use store::Change;

/// How long a row may wait while the pipeline is at it. That of a request is longer than that of any status which it
/// may be written over, so that a request is never taken for stuck on account of what stood there before it.
const LIMIT: Duration = Duration::from_secs(10 * 60);
const REQUEST_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Looks after all rows that run or wait, at the pipeline's present time. One row's fault does not keep it from the
/// others: it answers them, by id.
pub async fn monitor(pipeline: &Pipeline) -> Result<Vec<(String, Error)>, Error> {
    let mut faults = Vec::new();
    for status in status::ALL {
        if !status.is_transient() && status != Status::Deployed {
            continue;
        }
        for id in pipeline.rows.ids_by_status(status).await? {
            if let Err(error) = look_after(pipeline, &id).await {
                faults.push((id, error));
            }
        }
    }
    Ok(faults)
}

/// One write at most; a row that changes meanwhile is looked after the next time.
async fn look_after(pipeline: &Pipeline, id: &str) -> Result<(), Error> {
    let Some(item) = pipeline.rows.get(id).await? else {
        return Ok(());
    };
    let row = match Row::read(item.clone()) {
        Ok(row) => row,
        // No step can go on with it, and no report will move it.
        Err(faults) => return fail::unreadable(pipeline, id, &item, faults).await,
    };
    let (change, failure) = match row.status {
        Status::Deployed => running(pipeline, &row)?,
        status if status.is_transient() => waiting(pipeline, &row)?,
        _ => return Ok(()),
    };
    if change == Change::new() {
        return Ok(());
    }
    if pipeline.write(&row, &change).await?
        && let Some(why) = failure
    {
        pipeline.notifier.failed(id, &why);
    }
    Ok(())
}

/// A row that is DEPLOYED: its stored evidence, the age of it, the next challenge.
fn running(pipeline: &Pipeline, row: &Row) -> Result<(Change, Option<String>), Error> {
    if let Err(refusal) = stored(pipeline, row) {
        let why = format!("the row's evidence does not verify any more: {refusal}");
        return Ok((refusal_of(pipeline, row, &why)?, Some(why)));
    }
    let mut change = Change::new();
    if let Some(expected) = row.current_expectation() {
        let next = Expected {
            challenge: challenge()?,
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
        REQUEST_LIMIT
    } else {
        LIMIT
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
