//! How the turns of a row end: the changes to FAILED, DESTROYED and PAUSED.

use crate::pipeline::{Error, Pipeline, reason, value};
use contract::Status;
use contract::row::{Attestation, AttestationState, Row, attribute};
use store::Change;

/// The change of `row` to FAILED. Its host keeps it until it has stopped what runs.
pub(crate) fn failure(pipeline: &Pipeline, row: &Row, why: &str) -> Result<Change, Error> {
    let change = pipeline
        .to_status(Status::Failed)
        .text(attribute::STATUS_REASON, reason(why));
    ended(gone(change), row, "the row failed")
}

/// The change of a row whose enclave has stopped: to DESTROYED from DESTROYING, to PAUSED from PAUSING. The last
/// evidence stays, marked STALE; the host forgets the row.
pub(crate) fn settled(pipeline: &Pipeline, row: &Row) -> Result<Change, Error> {
    let (status, how) = match row.status {
        Status::Pausing => (Status::Paused, "paused"),
        _ => (Status::Destroyed, "destroyed"),
    };
    let change = pipeline.to_status(status).remove(attribute::STATUS_REASON);
    ended(released(gone(change)), row, how)
}

/// `change`, and with it the row's host taken out of the row: it is to do nothing more for it.
pub(crate) fn released(change: Change) -> Change {
    change.remove(attribute::HOST_ID).remove(attribute::HOST)
}

/// `change`, and with it all that is said of a running enclave taken out of the row.
fn gone(change: Change) -> Change {
    [attribute::ENCLAVE, attribute::ENDPOINTS, attribute::HEALTH]
        .into_iter()
        .fold(change, Change::remove)
}

/// `change`, and with it the evidence marked as that of an enclave that has ended. Statement and document stay.
fn ended(change: Change, row: &Row, how: &str) -> Result<Change, Error> {
    let Some(attestation) = row.proven() else {
        return Ok(change);
    };
    let stale = Attestation {
        state: AttestationState::Stale,
        reason: Some(how.to_owned()),
        ..attestation.clone()
    };
    Ok(change.set(attribute::ATTESTATION, value(&stale)?))
}
