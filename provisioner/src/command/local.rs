//! `treza local`: the pipeline on this machine.

use super::{Error, Global};
use crate::local::state::{LocalFile, StateDir};
use crate::local::{self, Ended};
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Starts DynamoDB, the pipeline and the host daemon; they go on in the background
    Up(Up),
    /// Ends them, and every enclave
    Down,
}

#[derive(Debug, Args)]
pub(super) struct Up {
    #[command(flatten)]
    options: local::Options,
    /// Stay, until interrupted
    #[arg(long)]
    foreground: bool,
    /// With a session of its own: what the background process is
    #[arg(long, hide = true, requires = "foreground")]
    detach: bool,
}

impl Command {
    pub(super) async fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let state = StateDir::choose(global.state_dir.clone())?;
        match self {
            Self::Up(up) => up.run(&state, global).await?,
            Self::Down => down(&state, global.json).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Up {
    async fn run(&self, state: &StateDir, global: &Global) -> Result<(), Error> {
        if self.detach {
            nix::unistd::setsid()
                .map_err(|error| Error::CouldNot(format!("no session of its own: {error}")))?;
        }
        if self.foreground {
            return Ok(local::up_foreground(state, &global.region, &self.options).await?);
        }
        if !global.json {
            // Where something is the matter it may take a minute.
            eprintln!(
                "starting the pipeline; it logs to {}",
                state.pipeline_log().display()
            );
        }
        let ready = local::up(state, &global.region, &self.options).await?;
        println!(
            "{}",
            if global.json {
                json!(ready).to_string()
            } else {
                described(state, &ready)
            }
        );
        Ok(())
    }
}

fn described(state: &StateDir, local: &LocalFile) -> String {
    format!(
        "The local pipeline is up (pid {}).\n  DynamoDB   {} (region {}, tables {} and {})\n  host       {}\n  \
         state      {}\n  trust root {}\nEnd it with `treza local down`.",
        local.pid,
        local.endpoint,
        local.region,
        local.rows,
        local.reports,
        local.instance_id,
        state.path().display(),
        local.development_root.display()
    )
}

async fn down(state: &StateDir, json: bool) -> Result<(), Error> {
    let ended = local::down(state).await?;
    let (was_up, daemons, enclaves) = match ended {
        Ended::Pipeline => (true, 0, 0),
        Ended::Remains { daemons, enclaves } => (false, daemons, enclaves),
    };
    if json {
        let remains = json!({ "daemons": daemons, "enclaves": enclaves });
        println!("{}", json!({ "ended": was_up, "remains": remains }));
        return Ok(());
    }
    let place = state.path().display();
    match ended {
        Ended::Pipeline => println!("The local pipeline has ended, and every enclave of it."),
        Ended::Remains {
            daemons: 0,
            enclaves: 0,
        } => println!("No local pipeline runs on {place}."),
        Ended::Remains { .. } => println!(
            "No local pipeline runs on {place}. What one that was killed had left has been ended: {daemons} host \
             daemon(s), {enclaves} enclave(s)."
        ),
    }
    Ok(())
}
