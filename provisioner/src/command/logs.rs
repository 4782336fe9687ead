//! `treza logs`: what the application of an enclave on this machine wrote, from the host daemon's state.

use super::session;
use super::{Error, Global};
use crate::local;
use crate::local::state::StateDir;
use clap::Args;
use contract::RecordId;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// The row's id
    #[arg(value_parser = session::id)]
    id: RecordId,
}

impl Logs {
    pub(super) async fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let state = StateDir::choose(global.state_dir.clone())?;
        let status = local::application_log(&state, &self.id).await?;
        Ok(if status.success() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
