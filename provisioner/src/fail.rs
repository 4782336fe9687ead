//! Failure: the reason in the row, and someone told.

use crate::pipeline::{Error, Pipeline, Step, reason, value};
use crate::verify::is_proven;
use contract::fault::describe;
use contract::item::{AttributeValue, Item};
use contract::row::{Attestation, AttestationState, Row, attribute};
use contract::{Fault, RecordId, Status};
use store::{Change, Guard, Outcome};

/// Takes the row to FAILED, if it is still in `generation` and in one of the statuses `from`: what a client asks for
/// meanwhile wins over the failure. The row's host stops what runs for it.
pub async fn fail(
    pipeline: &Pipeline,
    id: &RecordId,
    generation: u64,
    from: &[Status],
    why: &str,
) -> Result<Step, Error> {
    let step = pipeline
        .change(id, generation, from, |row| failure(pipeline, row, why).map(Some))
        .await?;
    if step == Step::Done {
        pipeline.notifier.failed(id.as_str(), &reason(why));
    }
    Ok(step)
}

/// Takes a row that does not read to FAILED, if it still is `item`. `id` is its key, which may be no [`RecordId`].
pub(crate) async fn unreadable(
    pipeline: &Pipeline,
    id: &str,
    item: &Item,
    faults: &[Fault],
) -> Result<(), Error> {
    let failed = AttributeValue::S(Status::Failed.to_string());
    if item.get(attribute::STATUS) == Some(&failed) {
        return Ok(());
    }
    let why = reason(&describe(faults));
    let change = pipeline
        .to_status(Status::Failed)
        .text(attribute::STATUS_REASON, why.clone());
    if let Outcome::Applied { .. } = pipeline.rows.update(id, &Guard::of(item), &change).await? {
        pipeline.notifier.failed(id, &why);
    }
    Ok(())
}

/// The change of `row` to FAILED.
pub(crate) fn failure(pipeline: &Pipeline, row: &Row, why: &str) -> Result<Change, Error> {
    let change = pipeline
        .to_status(Status::Failed)
        .text(attribute::STATUS_REASON, reason(why));
    ended(change, row, "the row failed")
}

/// `change`, and with it the evidence marked as that of an enclave that has ended. Statement and document stay.
pub(crate) fn ended(change: Change, row: &Row, how: &str) -> Result<Change, Error> {
    let Some(attestation) = row
        .attestation
        .as_ref()
        .filter(|attestation| is_proven(attestation))
    else {
        return Ok(change);
    };
    let stale = Attestation {
        state: AttestationState::Stale,
        reason: Some(how.to_owned()),
        ..attestation.clone()
    };
    Ok(change.set(attribute::ATTESTATION, value(&stale)?))
}
