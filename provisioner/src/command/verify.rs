//! `treza verify`: the evidence in a row, against an expectation of the user's own, as `treza-attest` does it.

use super::session::{self, Session};
use super::{Error, Global};
use clap::Args;
use client::options::Options;
use client::{proof, report};
use contract::RecordId;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The row's id
    #[arg(value_parser = session::id)]
    id: RecordId,
    #[command(flatten)]
    options: Options,
}

impl Verify {
    pub(super) async fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let item = Session::open(global).await?.row(&self.id).await?;
        let outcome = proof::verify_row(item, &self.options).await;
        report::print(&outcome, global.json);
        Ok(ExitCode::from(report::exit_code(&outcome)))
    }
}
