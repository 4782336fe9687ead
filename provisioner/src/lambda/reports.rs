//! The reports' stream: each report of a host is verified, and what it proves goes into its row.

use super::{Error, batch};
use crate::aws::{Deployment, metrics};
use crate::pipeline::{self, Pipeline};
use crate::verify::{self, Verdict};
use contract::stream::Record;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};

/// Takes a batch of the reports' stream.
pub(super) async fn take(deployment: &Deployment, event: Value) -> Result<Value, Error> {
    let refused = AtomicU64::new(0);
    let answer = batch::each(&event, |record| {
        verify_one(&deployment.pipeline, record, &refused)
    })
    .await;
    let refused = refused.into_inner();
    if refused > 0 {
        metrics::count(&deployment.settings.environment, &[("EvidenceRefused", refused)]);
    }
    answer
}

async fn verify_one(pipeline: &Pipeline, record: Record, refused: &AtomicU64) -> Result<(), pipeline::Error> {
    let Some(item) = record.new else { return Ok(()) };
    let id = contract::row::key(&item).unwrap_or_default().to_owned();
    match verify::verify(pipeline, item).await? {
        Verdict::Ignored(why) => tracing::debug!(id, why, "report ignored"),
        Verdict::Taken => tracing::info!(id, "report taken"),
        Verdict::Rejected(why) => tracing::warn!(id, why, "report rejected"),
        Verdict::Failed(_) => {}
        Verdict::Refused(_) => {
            refused.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}
