//! A turn's steps, as its state machine calls them: with the execution's own input, answering only what the machine's
//! next choice hangs on.

use super::Error;
use crate::aws::Deployment;
use crate::pipeline::Step;
use crate::workflow::Work;
use crate::{fail, finish, measure, outcome, place, validate};
use contract::fault::printable;
use contract::{RecordId, Status};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Noted, Statuses};

/// What every step is called with: the execution's input. What else stands there is the machine's own.
#[derive(Deserialize)]
struct Turn {
    id: RecordId,
    generation: u64,
    work: Work,
}

fn read<T: serde::de::DeserializeOwned>(event: Value) -> Result<T, Error> {
    serde_json::from_value(event).map_err(|error| {
        let problem = printable(&error.to_string(), 200);
        Error::Event(format!("the step's input does not read: {problem}"))
    })
}

fn step(step: Step) -> &'static str {
    match step {
        Step::Done => "done",
        Step::Superseded => "superseded",
    }
}

/// `{"step": "done"|"superseded", "resuming": bool}`.
pub(super) async fn validate(deployment: &Deployment, event: Value) -> Result<Value, Error> {
    let Turn { id, generation, .. } = read(event)?;
    let pipeline = &deployment.pipeline;
    if deployment.turns.begin(&id, generation).await? == Noted::Superseded {
        return Ok(json!({"step": "superseded", "resuming": false}));
    }
    let done = validate::validate(pipeline, &id, generation).await?;
    let resuming = pipeline
        .current(&id, generation, &[Status::Resuming])
        .await?
        .is_some();
    Ok(json!({"step": step(done), "resuming": resuming}))
}

/// `{"step": "done"|"superseded"|"task"}`; `task`: the image is too large for a function.
pub(super) async fn measure(deployment: &Deployment, event: Value) -> Result<Value, Error> {
    let Turn { id, generation, .. } = read(event)?;
    let pipeline = &deployment.pipeline;
    let Some(row) = pipeline.current(&id, generation, &validate::DEPLOYING).await? else {
        return Ok(json!({"step": "superseded"}));
    };
    if !measure::is_known(&row)? {
        let source = validate::request(pipeline, &row)?.source;
        let bytes = deployment.images.bytes(&source).await?;
        if bytes > deployment.settings.measure_task_bytes {
            tracing::info!(%id, bytes, "the image is measured by a task");
            return Ok(json!({"step": "task"}));
        }
    }
    Ok(json!({"step": step(deployment.note_measured(&id, generation).await?)}))
}

/// `{"step": "done"|"superseded"}`.
pub(super) async fn place(deployment: &Deployment, event: Value) -> Result<Value, Error> {
    let Turn { id, generation, .. } = read(event)?;
    let turn = deployment.turns.get(&id).await?;
    if turn.generation > generation {
        return Ok(json!({"step": "superseded"}));
    }
    let measured = turn.measured.ok_or_else(|| {
        crate::pipeline::Error::Final(
            "the image was measured and the measurement is gone: deploy again".into(),
        )
    })?;
    let measured = measured.try_into()?;
    let done = place::place(&deployment.pipeline, &id, generation, &measured).await?;
    Ok(json!({"step": step(done)}))
}

/// `{"outcome": "waiting"|"settled"|"failed"|"superseded"|"gone"}`.
pub(super) async fn outcome(deployment: &Deployment, event: Value) -> Result<Value, Error> {
    let Turn { id, generation, work } = read(event)?;
    let outcome = outcome::outcome(&deployment.pipeline, &id, generation, work).await?;
    Ok(json!({"outcome": outcome}))
}

/// What [`finish`] is called with besides.
#[derive(Deserialize)]
struct Finish {
    /// Whether the row's host has been given back.
    #[serde(default, rename = "hostGone")]
    host_gone: bool,
}

/// `{"step": "done"|"superseded", "host": bool}`; `host`: something of a host may be there, and is this turn's.
pub(super) async fn finish(deployment: &Deployment, event: Value) -> Result<Value, Error> {
    let Finish { host_gone } = read(event.clone())?;
    let Turn { id, generation, work } = read(event)?;
    let pipeline = &deployment.pipeline;
    let done = match (work, host_gone) {
        // The row itself has ended.
        (Work::Release, _) => Step::Done,
        (Work::Pause, _) => finish::pause(pipeline, &id, generation).await?,
        (_, true) => finish::host_gone(pipeline, &id, generation).await?,
        (_, false) => finish::destroy(pipeline, &id, generation).await?,
    };
    if deployment.turns.begin(&id, generation).await? == Noted::Superseded {
        return Ok(json!({"step": "superseded", "host": false}));
    }
    let turn = deployment.turns.get(&id).await?;
    Ok(json!({"step": step(done), "host": turn.provisioned}))
}

/// What the web application starts the cleanup with: of it only the id counts.
#[derive(Deserialize)]
struct DirectRequest {
    enclave_id: String,
}

/// Asks for the row's end, unless that was asked for already: its stream does the rest. `{"asked": bool}`.
pub(super) async fn request(deployment: &Deployment, event: Value) -> Result<Value, Error> {
    const ASKED: &[Status] = &[Status::PendingDestroy, Status::Destroying, Status::Destroyed];
    let DirectRequest { enclave_id } = read(event)?;
    let id = RecordId::parse(&enclave_id).map_err(|error| Error::Event(error.to_string()))?;
    let rows = &deployment.pipeline.rows;
    let outcome = rows
        .request(&id, Statuses::AllBut(ASKED), Status::PendingDestroy)
        .await?;
    let asked = matches!(outcome, store::Outcome::Applied { .. });
    tracing::info!(%id, asked, "the row's end was asked for directly");
    Ok(json!({"asked": asked}))
}

/// What a state machine caught.
#[derive(Deserialize)]
struct Caught {
    error: Option<CaughtError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CaughtError {
    error: String,
    #[serde(default)]
    cause: String,
}

/// Takes the row to FAILED with what the machine caught as its reason. `{"step": …, "host": bool}` as for [`finish`]: by
/// `host` the executions go that an older machine has begun.
pub(super) async fn fail(deployment: &Deployment, event: Value) -> Result<Value, Error> {
    let Caught { error } = read(event.clone())?;
    let Turn { id, generation, work } = read(event)?;
    let turn = deployment.turns.get(&id).await?;
    let said = turn.failure.filter(|_| turn.generation == generation);
    let why = said.unwrap_or_else(|| error.map_or_else(|| "no reason was given".to_owned(), reason));
    let done = fail::fail(&deployment.pipeline, &id, generation, work.statuses(), &why).await?;
    Ok(json!({"step": step(done), "host": turn.provisioned}))
}

/// What a machine caught, in words for a row's reason.
fn reason(caught: CaughtError) -> String {
    let CaughtError { error, cause } = caught;
    let parsed: Option<Value> = serde_json::from_str(&cause).ok();
    let field = |name: &str| -> Option<&str> { parsed.as_ref()?.get(name)?.as_str() };
    match error.as_str() {
        // A function of ours, whose message is the reason.
        "Treza.Final" | "Treza.Passing" | "Treza.Configuration" => {
            field("errorMessage").map_or(cause.clone(), str::to_owned)
        }
        // The limit of a state, or of a function.
        "States.Timeout" | "Sandbox.Timedout" => {
            "a step of the pipeline did not end in time: deploy again, and see the execution's history".into()
        }
        "States.TaskFailed" => {
            let stopped = field("StoppedReason").unwrap_or("no reason given");
            let code = parsed
                .as_ref()
                .and_then(|task| task.pointer("/Containers/0/ExitCode"))
                .map_or_else(|| "none".to_owned(), Value::to_string);
            format!(
                "the runner's task ended without its work done (exit code {code}; {stopped}): see its log"
            )
        }
        other => {
            let cause = field("errorMessage").unwrap_or(&cause);
            format!("{}: {}", printable(other, 100), printable(cause, 500))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught(error: &str, cause: &str) -> String {
        reason(CaughtError {
            error: error.into(),
            cause: cause.into(),
        })
    }

    #[test]
    fn what_a_machine_caught_reads_as_a_reason() {
        let ours = r#"{"errorType": "Treza.Final", "errorMessage": "providerConfig.cpuCount: is 3"}"#;
        assert_eq!(caught("Treza.Final", ours), "providerConfig.cpuCount: is 3");
        let task = r#"{"StoppedReason": "Essential container exited", "Containers": [{"ExitCode": 137}]}"#;
        let said = caught("States.TaskFailed", task);
        assert!(said.contains("exit code 137; Essential"), "{said}");
        assert!(caught("States.TaskFailed", "?").contains("exit code none"));
        for timeout in ["States.Timeout", "Sandbox.Timedout"] {
            assert!(caught(timeout, "").contains("did not end in time"));
        }
        assert_eq!(caught("TimedOut", "no evidence"), "TimedOut: no evidence");
    }
}
