//! The running pipeline of one machine: streams to functions, executions as tasks, the monitor each minute.

use super::Error;
use super::database::{Served, trim_streams};
use super::streams::Stream;
use crate::monitor;
use crate::pipeline::{self, Pipeline};
use crate::trigger;
use crate::verify::{self, Verdict};
use crate::workflow::{self, Execution};
use contract::row::Row;
use contract::stream::Record;
use contract::{RecordId, status};
use dynoxide::Database;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};

/// The wait between two looks at a stream that has nothing new: well under what a person notices.
const POLL: Duration = Duration::from_millis(20);
/// How often a record is delivered before it is given up, and the wait after the first time; doubled with each.
const DELIVERIES: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The monitor's turn.
const MONITOR: Duration = Duration::from_secs(60);

/// How long the streams' records are kept. They are written only while this pipeline runs and reads them.
const KEEP_RECORDS: Duration = Duration::from_secs(10 * 60);

/// Executions by name: what runs is not started again.
#[derive(Clone)]
struct Executions {
    pipeline: Pipeline,
    running: Arc<Mutex<HashMap<String, AbortHandle>>>,
}

impl Executions {
    fn start(&self, execution: Execution) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, task| !task.is_finished());
        let pipeline = self.pipeline.clone();
        running.entry(execution.name()).or_insert_with(|| {
            tokio::spawn(async move { workflow::run(&pipeline, &execution).await }).abort_handle()
        });
    }

    fn end(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.values().for_each(AbortHandle::abort);
    }
}

/// The pipeline at work, until it is dropped.
pub struct Runner {
    executions: Executions,
    // Dropped, it ends them.
    _tasks: JoinSet<()>,
}

impl Runner {
    /// Goes on with the rows that are in the middle of a turn, then follows both streams and runs the monitor.
    pub async fn start(
        pipeline: Pipeline,
        database: Database,
        rows: Stream,
        reports: Stream,
    ) -> Result<Self, pipeline::Error> {
        let executions = Executions {
            pipeline: pipeline.clone(),
            running: Arc::default(),
        };
        resume(&pipeline, &executions).await?;
        let mut tasks = JoinSet::new();
        let (of_rows, starter) = (pipeline.clone(), executions.clone());
        tasks.spawn(follow(rows, move |record| {
            let (pipeline, executions) = (of_rows.clone(), starter.clone());
            async move { take_request(&pipeline, &executions, &record).await }
        }));
        let of_reports = pipeline.clone();
        tasks.spawn(follow(reports, move |record| {
            let pipeline = of_reports.clone();
            async move { take_report(&pipeline, record).await }
        }));
        tasks.spawn(watch(pipeline, database));
        Ok(Self {
            executions,
            _tasks: tasks,
        })
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.executions.end();
    }
}

/// Starts the executions of all rows that were in the middle of a turn when the pipeline ended. What no trigger has
/// taken up yet is still in the stream.
async fn resume(pipeline: &Pipeline, executions: &Executions) -> Result<(), pipeline::Error> {
    for status in status::ALL.into_iter().filter(|status| status.is_transient()) {
        for id in pipeline.rows.ids_by_status(status).await? {
            let Ok(id) = RecordId::parse(&id) else { continue };
            let Some(Ok(row)) = pipeline.rows.get(&id).await?.map(Row::read) else {
                continue;
            };
            if let Some(execution) = Execution::under_way(&row) {
                tracing::info!(name = execution.name(), %status, "going on");
                executions.start(execution);
            }
        }
    }
    Ok(())
}

async fn take_request(
    pipeline: &Pipeline,
    executions: &Executions,
    record: &Record,
) -> Result<(), pipeline::Error> {
    if let Some(execution) = trigger::handle(pipeline, record).await? {
        tracing::info!(name = execution.name(), work = ?execution.work, "starting");
        executions.start(execution);
    }
    Ok(())
}

async fn take_report(pipeline: &Pipeline, record: Record) -> Result<(), pipeline::Error> {
    let Some(item) = record.new else { return Ok(()) };
    let id = contract::row::key(&item).unwrap_or_default().to_owned();
    match verify::verify(pipeline, item).await? {
        Verdict::Ignored(why) => tracing::debug!(id, why, "report ignored"),
        Verdict::Taken => tracing::debug!(id, "report taken"),
        Verdict::Rejected(why) => tracing::warn!(id, why, "report rejected"),
        Verdict::Failed(_) | Verdict::Refused(_) => {}
    }
    Ok(())
}

/// Hands each record of a stream to `take`, in order, again while its fault may pass.
async fn follow<F>(mut stream: Stream, take: impl Fn(Record) -> F)
where
    F: Future<Output = Result<(), pipeline::Error>>,
{
    loop {
        let records = stream.read().unwrap_or_else(|error| {
            tracing::error!(table = stream.table(), %error, "the stream cannot be read");
            Vec::new()
        });
        let Some(last) = records.last().map(|record| record.sequence.clone()) else {
            tokio::time::sleep(POLL).await;
            continue;
        };
        for record in records {
            deliver(stream.table(), record, &take).await;
        }
        if let Err(error) = stream.done(&last) {
            tracing::error!(%error, "the stream's position cannot be kept; its records will come again");
            tokio::time::sleep(FIRST_WAIT).await;
        }
    }
}

async fn deliver<F>(table: &str, record: Record, take: &impl Fn(Record) -> F)
where
    F: Future<Output = Result<(), pipeline::Error>>,
{
    let mut wait = FIRST_WAIT;
    for delivery in 1..=DELIVERIES {
        match take(record.clone()).await {
            Ok(()) => return,
            Err(error) if error.passes() && delivery < DELIVERIES => {
                tracing::warn!(table, %error, ?wait, "the record will be delivered again");
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            Err(error) => {
                tracing::error!(table, sequence = record.sequence, %error, "the record is given up");
                return;
            }
        }
    }
}

async fn watch(pipeline: Pipeline, database: Database) {
    loop {
        tokio::time::sleep(MONITOR).await;
        if let Err(error) = trim_streams(&database, KEEP_RECORDS) {
            tracing::warn!(%error);
        }
        match monitor::monitor(&pipeline).await {
            Ok(watched) => {
                for (id, error) in watched.faults {
                    tracing::warn!(id, %error, "the monitor could not look after the row");
                }
            }
            Err(error) => tracing::error!(%error, "the monitor could not read the table"),
        }
    }
}

/// Opens the streams of both tables.
pub(super) fn open(
    served: &Served,
    tables: &store::Tables,
    state: &super::state::StateDir,
) -> Result<(Stream, Stream), Error> {
    let stream = |table: &str| Stream::open(served.database.clone(), table, state.position(table));
    Ok((stream(&tables.rows)?, stream(&tables.reports)?))
}
