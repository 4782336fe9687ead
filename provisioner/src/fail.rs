//! Failure: the reason in the row, and someone told.

use crate::endings::failure;
use crate::pipeline::{Error, Pipeline, Step, reason};
use contract::fault::describe;
use contract::item::{AttributeValue, Item};
use contract::request::EnclaveRequest;
use contract::row::attribute;
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
        pipeline.notifier.failed(id.as_str(), &reason(why)).await;
    }
    Ok(step)
}

/// Takes a row that does not read to FAILED, if it still is `item`, with every fault of it in its reason, those of its
/// request too. What does not read of the pipeline's own part is removed, so that the row can be asked for again.
/// `id` is its key, which may be no [`RecordId`].
pub(crate) async fn unreadable(
    pipeline: &Pipeline,
    id: &str,
    item: &Item,
    mut faults: Vec<Fault>,
) -> Result<(), Error> {
    let failed = AttributeValue::S(Status::Failed.to_string());
    if item.get(attribute::STATUS) == Some(&failed) {
        return Ok(());
    }
    let removed = removable(&faults);
    faults.extend(
        EnclaveRequest::read(item, &pipeline.region)
            .err()
            .unwrap_or_default(),
    );
    let mut why = describe(&faults);
    if !removed.is_empty() {
        why = format!("{why}; removed from the row: {}; ask again", removed.join(", "));
    }
    let why = reason(&why);
    let change = pipeline
        .to_status(Status::Failed)
        .text(attribute::STATUS_REASON, why.clone());
    let change = removed.into_iter().fold(change, Change::remove);
    if let Outcome::Applied { .. } = pipeline.rows.update(id, &Guard::of(item), &change).await? {
        pipeline.notifier.failed(id, &why).await;
    }
    Ok(())
}

/// The attributes at fault that are the pipeline's alone.
fn removable(faults: &[Fault]) -> Vec<&'static str> {
    let is_at_fault = |name: &&str| faults.iter().any(|fault| fault.field == **name);
    let clients = [attribute::ID, attribute::STATUS];
    let names = attribute::ALL.into_iter().filter(|name| !clients.contains(name));
    names.filter(is_at_fault).collect()
}
