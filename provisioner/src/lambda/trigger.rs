//! The rows' stream: each record that enters a request starts its execution.

use super::{Error, batch};
use crate::aws::executions::Executions;
use crate::pipeline::{self, Pipeline};
use crate::trigger;
use contract::stream::Record;
use serde_json::Value;

/// Takes a batch of the rows' stream.
pub(super) async fn take(pipeline: &Pipeline, executions: &Executions, event: Value) -> Result<Value, Error> {
    batch::each(&event, |record| start(pipeline, executions, record)).await
}

async fn start(pipeline: &Pipeline, executions: &Executions, record: Record) -> Result<(), pipeline::Error> {
    if let Some(execution) = trigger::handle(pipeline, &record).await? {
        executions.start(&execution).await?;
        tracing::info!(id = %execution.id, name = execution.name(), work = ?execution.work, "started");
    }
    Ok(())
}
