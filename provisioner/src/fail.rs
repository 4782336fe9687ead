//! Failure: the reason in the row, and someone told.

use crate::endings::failure;
use crate::pipeline::{Error, Pipeline, Step, reason};
use contract::fault::describe;
use contract::item::{AttributeValue, Item};
use contract::row::attribute;
use contract::{Fault, RecordId, Status};
use store::{Guard, Outcome};

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
