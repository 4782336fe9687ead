//! How far a turn has come: for a state machine, which waits for what a host's report or the monitor brings about.

use crate::pipeline::{Error, Pipeline};
use crate::workflow::Work;
use contract::row::Row;
use contract::{RecordId, Status};
use serde::Serialize;

/// How far a turn has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It goes on.
    Waiting,
    /// The row is where the turn was to take it. (A row that is DESTROYING: its host has stopped what ran.)
    Settled,
    /// The row is FAILED.
    Failed,
    /// The row is in a later turn, or about to be.
    Superseded,
    /// There is no such row any more.
    Gone,
}

/// How far the turn `generation` of the row `id`, for `work`, has come.
///
/// # Errors
/// The table does not answer, or the row does not read.
pub async fn outcome(
    pipeline: &Pipeline,
    id: &RecordId,
    generation: u64,
    work: Work,
) -> Result<Outcome, Error> {
    let Some(item) = pipeline.rows.get(id).await? else {
        return Ok(Outcome::Gone);
    };
    Ok(of(&Row::read(item)?, generation, work))
}

fn of(row: &Row, generation: u64, work: Work) -> Outcome {
    if row.generation != generation {
        return Outcome::Superseded;
    }
    match (work, row.status) {
        (_, Status::Failed) => Outcome::Failed,
        (Work::Deploy, Status::Deployed)
        | (Work::Destroy, Status::Destroyed)
        | (Work::Pause, Status::Paused) => Outcome::Settled,
        (Work::Destroy, Status::Destroying) if row.host_id.is_none() => Outcome::Settled,
        (_, status) if work.statuses().contains(&status) => Outcome::Waiting,
        _ => Outcome::Superseded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::item;

    #[test]
    fn a_turn_waits_until_its_row_is_settled_failed_or_asked_for_something_else() {
        let of = |status: &str, host: &str, work| {
            let text = format!(r#"{{"id": "a", "status": "{status}", "generation": 2{host}}}"#);
            of(&Row::read(item::read(&text).unwrap()).unwrap(), 2, work)
        };
        let host = r#", "hostId": "i-0123456789abcdef0""#;
        for (status, host, work, outcome) in [
            ("DEPLOYING", host, Work::Deploy, Outcome::Waiting),
            ("RESUMING", "", Work::Deploy, Outcome::Waiting),
            ("DEPLOYED", host, Work::Deploy, Outcome::Settled),
            ("FAILED", host, Work::Deploy, Outcome::Failed),
            ("PENDING_DESTROY", host, Work::Deploy, Outcome::Superseded),
            ("PAUSING", host, Work::Deploy, Outcome::Superseded),
            ("DESTROYING", host, Work::Destroy, Outcome::Waiting),
            ("DESTROYING", "", Work::Destroy, Outcome::Settled),
            ("DESTROYED", "", Work::Destroy, Outcome::Settled),
            ("PENDING_DEPLOY", "", Work::Destroy, Outcome::Superseded),
            ("PAUSING", host, Work::Pause, Outcome::Waiting),
            ("PAUSED", "", Work::Pause, Outcome::Settled),
            ("RESUMING", "", Work::Pause, Outcome::Superseded),
        ] {
            assert_eq!(of(status, host, work), outcome, "{status} {work:?}");
        }
        let row = Row::read(item::read(r#"{"id": "a", "status": "DEPLOYED", "generation": 3}"#).unwrap());
        assert_eq!(super::of(&row.unwrap(), 2, Work::Deploy), Outcome::Superseded);
    }
}
