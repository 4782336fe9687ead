//! The user's command `treza`: what it takes, and what it answers.

mod cloud;
mod deploy;
mod error;
mod local;
mod logs;
mod session;
mod show;
mod status;
mod turn;
mod verify;
mod wait;

pub use error::Error;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Write one row, get an enclave that proves itself.
/// Exit code: 0 done, 1 could not, 2 evidence or input refused.
#[derive(Debug, Parser)]
#[command(name = "treza", version)]
pub struct Program {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Global {
    /// DynamoDB at this URL, instead of the local pipeline's
    #[arg(long, global = true, value_name = "URL")]
    endpoint: Option<String>,
    /// The table of rows
    #[arg(long, global = true, value_name = "NAME")]
    table: Option<String>,
    /// The local pipeline's state [default: $TREZA_STATE_DIR, else treza in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// A pipeline in AWS, by its environment's name, instead of the local one
    #[arg(long, global = true, value_name = "NAME", conflicts_with_all = ["endpoint", "state_dir"], value_parser = session::environment)]
    environment: Option<String>,
    /// The profile of AWS's configuration files
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// The region that the pipeline serves
    #[arg(long, global = true, value_name = "NAME", default_value = "us-west-2")]
    region: String,
    /// Print one JSON object
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole pipeline on this machine: up or down
    #[command(subcommand)]
    Local(local::Command),
    /// An environment in AWS, made and taken down with Terraform
    #[command(subcommand)]
    Cloud(cloud::Command),
    /// Writes a row that asks for an enclave
    Deploy(deploy::Deploy),
    /// Shows one row, or all
    Status(status::Status),
    /// Stops an enclave that can be resumed
    Pause(turn::Turn),
    /// Starts a paused enclave again, with the same image
    Resume(turn::Turn),
    /// Ends an enclave
    Destroy(turn::Turn),
    /// Shows what the application wrote (of an enclave on this machine)
    Logs(logs::Logs),
    /// Verifies the evidence in a row against an expectation of your own
    Verify(verify::Verify),
}

impl Program {
    /// Does what the user asks; all output is its own.
    pub async fn run(self) -> ExitCode {
        let global = &self.global;
        let done = match &self.command {
            Command::Local(command) => command.run(global).await,
            Command::Cloud(command) => command.run(global).await,
            Command::Deploy(command) => command.run(global).await,
            Command::Status(command) => command.run(global).await,
            Command::Pause(command) => command.run(global, &turn::PAUSE).await,
            Command::Resume(command) => command.run(global, &turn::RESUME).await,
            Command::Destroy(command) => command.run(global, &turn::DESTROY).await,
            Command::Logs(command) => command.run(global).await,
            Command::Verify(command) => command.run(global).await,
        };
        done.unwrap_or_else(|error| {
            error.print(global.json);
            error.exit_code()
        })
    }
}
