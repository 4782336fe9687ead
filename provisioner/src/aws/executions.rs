//! Executions of the state machines: named by row and turn, so that a turn that is started twice runs once.

use crate::pipeline::Error;
use crate::workflow::{Execution, Work};
use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::ProvideErrorMetadata;
use contract::fault::causes;

/// What no other try mends: the machine or the input is wrong, or starting is not allowed.
const FINAL: [&str; 5] = [
    "AccessDeniedException",
    "InvalidArn",
    "InvalidExecutionInput",
    "InvalidName",
    "StateMachineDoesNotExist",
];

/// The state machines of an environment.
#[derive(Debug, Clone)]
pub struct Executions {
    client: Client,
    prefix: String,
}

impl Executions {
    /// The machines whose ARNs begin with `prefix`.
    pub fn new(sdk: &aws_config::SdkConfig, prefix: String) -> Self {
        Self {
            client: Client::new(sdk),
            prefix,
        }
    }

    /// Starts `execution`; where it was started before, that is as good.
    ///
    /// # Errors
    /// [`Error::Passing`] or [`Error::Final`], with the machine.
    pub async fn start(&self, execution: &Execution) -> Result<(), Error> {
        let machine = format!("{}{}", self.prefix, machine(execution.work));
        let input = serde_json::to_string(execution).map_err(|error| Error::Final(error.to_string()))?;
        let started = self
            .client
            .start_execution()
            .state_machine_arn(&machine)
            .name(execution.name())
            .input(input)
            .send()
            .await;
        match started {
            Err(error) if error.code() == Some("ExecutionAlreadyExists") => Ok(()),
            Err(error) => {
                let problem = format!(
                    "start execution {} of {machine}: {}",
                    execution.name(),
                    causes(&error, 500)
                );
                let ends = error.code().is_some_and(|code| FINAL.contains(&code));
                Err(if ends {
                    Error::Final(problem)
                } else {
                    Error::Passing(problem)
                })
            }
            Ok(_) => Ok(()),
        }
    }
}

/// The machine that does `work`.
fn machine(work: Work) -> &'static str {
    match work {
        Work::Deploy => "deploy",
        Work::Destroy | Work::Release => "cleanup",
        Work::Pause => "pause",
    }
}
