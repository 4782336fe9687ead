//! `treza-runner`: makes one row's host with Terraform, or gives it back. A state machine starts it as a task; what it is
//! to do it is told by its environment.
//!
//! Exit code: 0 what came of it is noted, 1 it is not.
#![forbid(unsafe_code)]

use clap::Parser;
use provisioner::runner::{self, Command};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

#[derive(Debug, Parser)]
#[command(name = "treza-runner", version)]
struct Program {
    /// What to do
    command: Command,
}

#[tokio::main]
async fn main() -> ExitCode {
    let program = Program::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .init();
    match runner::run(program.command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the run is lost");
            ExitCode::FAILURE
        }
    }
}
