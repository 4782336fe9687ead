//! What all steps share: the tables and ports, the guarded change of a row.

pub use crate::error::Error;
use crate::ports::{Clock, Hosts, Images, Notifier};
use attestation::Root;
use contract::fault::printable_lines;
use contract::item::AttributeValue;
use contract::row::{Row, attribute, value_of};
use contract::{RecordId, Status};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use store::{Change, Guard, Outcome, Reports, Rows};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How often a lost write is decided anew before the step gives up (its caller may try again).
pub(crate) const MOST_TRIES: usize = 16;
/// The most bytes of a `statusReason`.
pub const MOST_REASON: usize = 2048;

/// The pipeline: its tables, its ports, and what it trusts.
#[derive(Clone)]
pub struct Pipeline {
    /// The rows.
    pub rows: Rows,
    /// The hosts' reports.
    pub reports: Reports,
    /// Images and their measurements.
    pub images: Arc<dyn Images>,
    /// Hosts.
    pub hosts: Arc<dyn Hosts>,
    /// Whoever hears of failures.
    pub notifier: Arc<dyn Notifier>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The roots that evidence may stand on: from the pipeline's own configuration, never from a row.
    pub roots: Vec<Root>,
    /// The region that it serves.
    pub region: String,
    /// How long a row may wait in a status of the pipeline's before the monitor fails it.
    pub patience: Duration,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// The row stands as the step leaves it.
    Done,
    /// The row has moved on: another request, another turn, or none. No error, and nothing was written.
    Superseded,
}

impl Pipeline {
    /// The row, if it is still in `generation` and in one of the statuses `from`.
    pub async fn current(
        &self,
        id: &RecordId,
        generation: u64,
        from: &[Status],
    ) -> Result<Option<Row>, Error> {
        let Some(item) = self.rows.get(id).await? else {
            return Ok(None);
        };
        let row = Row::read(item)?;
        Ok(Some(row).filter(|row| row.generation == generation && from.contains(&row.status)))
    }

    /// Changes the row as `decide` says, as long as it is in `generation` and in one of the statuses `from`.
    /// Whenever the row changed in between it is read and decided anew; nothing is ever overwritten.
    pub async fn change(
        &self,
        id: &RecordId,
        generation: u64,
        from: &[Status],
        decide: impl Fn(&Row) -> Result<Option<Change>, Error>,
    ) -> Result<Step, Error> {
        for _ in 0..MOST_TRIES {
            let Some(row) = self.current(id, generation, from).await? else {
                return Ok(Step::Superseded);
            };
            let Some(change) = decide(&row)? else {
                return Ok(Step::Done);
            };
            if self.write(&row, &change).await? {
                return Ok(Step::Done);
            }
        }
        Err(Error::Contended(id.to_string()))
    }

    /// Makes `change` if the row still is `row`; whether it was made.
    pub async fn write(&self, row: &Row, change: &Change) -> Result<bool, Error> {
        let outcome = self
            .rows
            .update(row.id.as_str(), &Guard::of(&row.item), change)
            .await?;
        Ok(matches!(outcome, Outcome::Applied { .. }))
    }

    /// Now, milliseconds since the epoch.
    pub fn now_ms(&self) -> u64 {
        let since = self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// Now, as rows have it: RFC 3339, UTC, in milliseconds.
    pub fn now_text(&self) -> String {
        let now = OffsetDateTime::from(self.clock.now());
        let milliseconds = now.nanosecond() / 1_000_000 * 1_000_000;
        now.replace_nanosecond(milliseconds)
            .unwrap_or(now)
            .format(&Rfc3339)
            .unwrap_or_default()
    }

    /// A change to `status`. While a row is in a transient status `statusSince` says since when; a settled one has
    /// none, so that what a client asks for next is never taken for stuck.
    pub fn to_status(&self, status: Status) -> Change {
        let change = Change::new().text(attribute::STATUS, status.as_str());
        if status.is_transient() {
            change.number(attribute::STATUS_SINCE, self.now_ms())
        } else {
            change.remove(attribute::STATUS_SINCE)
        }
    }
}

/// An attribute's value of one of the types in [`contract::row`].
pub fn value(of: &impl Serialize) -> Result<AttributeValue, Error> {
    Ok(value_of(of)?)
}

/// A reason fit for `statusReason`: printable, in lines, at most [`MOST_REASON`] bytes.
pub fn reason(text: &str) -> String {
    let shown = printable_lines(text, MOST_REASON);
    if shown.len() <= MOST_REASON {
        return shown;
    }
    let end = shown.floor_char_boundary(MOST_REASON - '…'.len_utf8());
    format!("{}…", shown.get(..end).unwrap_or_default())
}
