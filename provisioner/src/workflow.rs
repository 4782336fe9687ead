//! One turn of a row: its steps in order, each tried again while its fault may pass, the row FAILED when one cannot
//! be done. A turn waits for nothing: after its last step a host's report (`verify`) or the time limit (`monitor`)
//! moves the row on, so that what a turn waits for is in the row and not in a process.

use crate::pipeline::{Error, Pipeline, Step};
use crate::{fail, finish, measure, place, validate};
use contract::row::Row;
use contract::{RecordId, Status};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often a step is tried.
const MOST_TRIES: u32 = 5;
/// The wait before the second try; doubled with each.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The greatest generation: an execution's name has at most 80 characters in AWS, an id 64 of them.
pub const MAX_GENERATION: u64 = 999_999_999_999_999;

/// What a turn is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// From PENDING_DEPLOY to a host that launches; from RESUMING too.
    Deploy,
    /// From PENDING_DESTROY to DESTROYED.
    Destroy,
    /// From PAUSING to PAUSED.
    Pause,
    /// The dedicated host of a row that has failed or was deleted is given back; the row stays as it is.
    Release,
}

impl Work {
    /// The statuses in which a row waits for this work.
    pub(crate) fn statuses(self) -> &'static [Status] {
        match self {
            Self::Deploy => &[Status::PendingDeploy, Status::Deploying, Status::Resuming],
            Self::Destroy => &[Status::PendingDestroy, Status::Destroying],
            Self::Pause => &[Status::Pausing],
            Self::Release => &[],
        }
    }
}

/// One turn of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Execution {
    /// The row.
    pub id: RecordId,
    /// Its generation.
    pub generation: u64,
    /// What the turn is for.
    pub work: Work,
}

impl Execution {
    /// The execution for a row that was taken up as `generation` on account of `status`; none for a settled status.
    pub fn new(id: &RecordId, generation: u64, status: Status) -> Option<Self> {
        let work = [Work::Deploy, Work::Destroy, Work::Pause]
            .into_iter()
            .find(|work| work.statuses().contains(&status))?;
        Some(Self {
            id: id.clone(),
            generation,
            work,
        })
    }

    /// The execution that a row is in the middle of; none if it is settled, or waits for the trigger to take it up:
    /// then it has no `statusSince`, or still the expectation of the turn that it is to end.
    pub fn under_way(row: &Row) -> Option<Self> {
        let execution = Self::new(&row.id, row.generation, row.status)?;
        let taken_up = execution.work == Work::Deploy || row.current_expectation().is_none();
        (taken_up && row.status_since.is_some()).then_some(execution)
    }

    /// Its name. The same turn has the same name: started twice, it runs once. A release is no turn of its own; it has
    /// another name than the turn that failed, which may be one of the same machine.
    pub fn name(&self) -> String {
        let between = if self.work == Work::Release { '_' } else { '-' };
        format!("{}{between}{}", self.id, self.generation)
    }
}

/// Runs a turn to its end. Started again at any point it goes on from where the row stands.
pub async fn run(pipeline: &Pipeline, execution: &Execution) {
    let (id, generation) = (&execution.id, execution.generation);
    let done = match execution.work {
        Work::Deploy => deploy(pipeline, id, generation).await,
        Work::Destroy => retried(|| finish::destroy(pipeline, id, generation)).await,
        Work::Pause => retried(|| finish::pause(pipeline, id, generation)).await,
        // Hosts that are not dedicated are nobody's to give back.
        Work::Release => Ok(Step::Done),
    };
    let failed = match &done {
        Ok(_) => Ok(Step::Done),
        Err(error) => {
            let reason = error.to_string();
            retried(|| fail::fail(pipeline, id, generation, execution.work.statuses(), &reason)).await
        }
    };
    match (done, failed) {
        (Ok(step), _) => tracing::info!(%id, generation, ?step, work = ?execution.work, "the turn has run"),
        (Err(error), Ok(_)) => tracing::info!(%id, generation, %error, "the turn failed"),
        (Err(error), Err(why)) => {
            tracing::error!(%id, generation, %error, %why, "the failure could not be written")
        }
    }
}

async fn deploy(pipeline: &Pipeline, id: &RecordId, generation: u64) -> Result<Step, Error> {
    if retried(|| validate::validate(pipeline, id, generation)).await? == Step::Superseded {
        return Ok(Step::Superseded);
    }
    match retried(|| measure::measure(pipeline, id, generation)).await? {
        Some(measured) => retried(|| place::place(pipeline, id, generation, &measured)).await,
        None => Ok(Step::Superseded),
    }
}

/// Tries `step` again while its fault may pass, each time after twice the wait.
async fn retried<T, F>(step: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut wait = FIRST_WAIT;
    for _ in 1..MOST_TRIES {
        match step().await {
            Err(error) if error.passes() => tracing::warn!(%error, ?wait, "trying again"),
            done => return done,
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    step().await
}
