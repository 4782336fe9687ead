//! The entry points in AWS Lambda. One program holds all functions; the function's handler setting chooses one.
//!
//! - fed by streams, in batches: [`trigger`], [`reports`], which read them with [`batch`]
//! - a turn's steps, called by a state machine with the [`Execution`](crate::workflow::Execution) that it was started
//!   with: [`steps`]
//! - called by a schedule: [`watch`]
//!
//! Each calls the very functions that the local pipeline calls.

mod batch;
mod error;
mod reports;
mod steps;
mod trigger;
mod watch;

pub use error::Error;

use crate::aws::Deployment;
use crate::aws::executions::Executions;
use crate::aws::settings::Settings;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

/// A function, as its handler setting names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Trigger,
    Validate,
    Measure,
    Place,
    Outcome,
    Finish,
    Request,
    VerifyReport,
    Fail,
    Monitor,
}

const FUNCTIONS: [(&str, Function); 10] = [
    ("trigger", Function::Trigger),
    ("validate", Function::Validate),
    ("measure", Function::Measure),
    ("place", Function::Place),
    ("outcome", Function::Outcome),
    ("finish", Function::Finish),
    ("request", Function::Request),
    ("verify-report", Function::VerifyReport),
    ("fail", Function::Fail),
    ("monitor", Function::Monitor),
];

/// Serves the function that `handler` names until Lambda ends the process.
///
/// # Errors
/// No such function, settings that are missing, or a runtime that is not there.
pub async fn run(handler: &str) -> Result<(), Error> {
    let function = FUNCTIONS
        .iter()
        .find(|(name, _)| *name == handler)
        .map(|(_, function)| *function)
        .ok_or_else(|| {
            let names: Vec<_> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
            Error::Event(format!(
                "the function's handler is {handler:?}; it must be one of {}",
                names.join(", ")
            ))
        })?;
    let entry = Entry::new(function).await?;
    let serve = |event: LambdaEvent<Value>| entry.call(event.payload);
    lambda_runtime::run(service_fn(serve))
        .await
        .map_err(|error| Error::Event(format!("Lambda's runtime: {error}")))
}

/// One function, ready to be called.
struct Entry {
    function: Function,
    deployment: Deployment,
    executions: Option<Executions>,
}

impl Entry {
    async fn new(function: Function) -> Result<Self, Error> {
        let settings = Settings::from_environment()?;
        let executions = match (&settings.machine_prefix, function) {
            (Some(prefix), _) => {
                let sdk = settings.connection().sdk_config().await;
                Some(Executions::new(&sdk, prefix.clone()))
            }
            (None, Function::Trigger) => {
                return Err(Error::Event(
                    "environment variable TREZA_MACHINE_PREFIX is not set".into(),
                ));
            }
            (None, _) => None,
        };
        Ok(Self {
            function,
            deployment: Deployment::new(settings).await?,
            executions,
        })
    }

    async fn call(&self, event: Value) -> Result<Value, Error> {
        let deployment = &self.deployment;
        match (self.function, &self.executions) {
            (Function::Trigger, Some(executions)) => {
                trigger::take(&deployment.pipeline, executions, event).await
            }
            (Function::Trigger, None) => Err(Error::Event("the trigger has no state machines".into())),
            (Function::VerifyReport, _) => reports::take(deployment, event).await,
            (Function::Monitor, _) => watch::watch(deployment).await,
            (Function::Validate, _) => steps::validate(deployment, event).await,
            (Function::Measure, _) => steps::measure(deployment, event).await,
            (Function::Place, _) => steps::place(deployment, event).await,
            (Function::Outcome, _) => steps::outcome(deployment, event).await,
            (Function::Finish, _) => steps::finish(deployment, event).await,
            (Function::Request, _) => steps::request(deployment, event).await,
            (Function::Fail, _) => steps::fail(deployment, event).await,
        }
    }
}
