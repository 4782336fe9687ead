//! The monitor, called by a schedule.

use super::Error;
use crate::aws::{Deployment, metrics};
use crate::monitor;
use serde_json::{Value, json};

/// Looks after all rows once.
pub(super) async fn watch(deployment: &Deployment) -> Result<Value, Error> {
    let watched = monitor::monitor(&deployment.pipeline).await?;
    for (id, error) in &watched.faults {
        tracing::warn!(id, %error, "the monitor could not look after the row");
    }
    let counts = [
        ("RowsWatched", watched.rows),
        ("RowsStuck", watched.stuck),
        ("EvidenceStale", watched.stale),
        ("EvidenceRefused", watched.refused),
    ];
    metrics::count(&deployment.settings.environment, &counts);
    Ok(json!({"rows": watched.rows, "faults": watched.faults.len()}))
}
