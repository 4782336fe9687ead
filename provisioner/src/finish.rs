//! The way back: to DESTROYED and to PAUSED. The host stops the enclave first and says so; only then does the row let
//! go of it. A host that lies about it gains nothing: it could have gone on running the enclave anyway.

use crate::endings::settled;
use crate::pipeline::{Error, Pipeline, Step};
use crate::verify;
use contract::row::attribute;
use contract::{RecordId, Status};

/// Takes a row that is PENDING_DESTROY to DESTROYING, and on to DESTROYED if nothing of it runs.
pub async fn destroy(pipeline: &Pipeline, id: &RecordId, generation: u64) -> Result<Step, Error> {
    let taken_up = pipeline
        .change(
            id,
            generation,
            &[Status::PendingDestroy, Status::Destroying],
            |row| {
                let begins = row.status == Status::PendingDestroy;
                Ok(begins.then(|| {
                    pipeline
                        .to_status(Status::Destroying)
                        .remove(attribute::STATUS_REASON)
                }))
            },
        )
        .await?;
    match taken_up {
        Step::Done => settle_if_stopped(pipeline, id, generation, Status::Destroying).await,
        Step::Superseded => Ok(Step::Superseded),
    }
}

/// Takes a row that is PAUSING to PAUSED, if nothing of it runs.
pub async fn pause(pipeline: &Pipeline, id: &RecordId, generation: u64) -> Result<Step, Error> {
    settle_if_stopped(pipeline, id, generation, Status::Pausing).await
}

/// Takes a row that is DESTROYING to DESTROYED, whatever its host has said: the host itself is gone.
pub async fn host_gone(pipeline: &Pipeline, id: &RecordId, generation: u64) -> Result<Step, Error> {
    pipeline
        .change(id, generation, &[Status::Destroying], |row| {
            settled(pipeline, row).map(Some)
        })
        .await
}

/// Settles the row at once where no host has it, or where its host has said already that it stopped; otherwise that
/// report will settle it. A dedicated host must itself be gone before its row is DESTROYED ([`host_gone`]).
async fn settle_if_stopped(
    pipeline: &Pipeline,
    id: &RecordId,
    generation: u64,
    status: Status,
) -> Result<Step, Error> {
    let step = pipeline
        .change(id, generation, &[status], |row| {
            let has_host = status == Status::Destroying && pipeline.hosts.are_dedicated();
            let settles = row.host_id.is_none() && !has_host;
            settles.then(|| settled(pipeline, row)).transpose()
        })
        .await?;
    if let Some(report) = pipeline.reports.get(id).await? {
        verify::verify(pipeline, report).await?;
    }
    Ok(step)
}
