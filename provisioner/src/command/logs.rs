//! `treza logs`: what the application of an enclave on this machine wrote, from the host daemon's state.

use super::session;
use super::{Error, Global};
use crate::local;
use crate::local::state::StateDir;
use clap::Args;
use contract::RecordId;
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// The row's id
    #[arg(value_parser = session::id)]
    id: RecordId,
    /// Go on until the enclave ends
    #[arg(long, short, conflicts_with = "json")]
    follow: bool,
}

impl Logs {
    pub(super) async fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        if let Some(environment) = &global.environment {
            let (id, region) = (&self.id, &global.region);
            let why = format!(
                "the log of an enclave in AWS is in CloudWatch: aws logs tail /aws/ec2/enclave/{id} --region {region} \
                 (environment {environment})"
            );
            return Err(Error::Refused(why));
        }
        if global.endpoint.is_some() || global.table.is_some() {
            let why = "logs are those of enclaves on this machine: --endpoint and --table mean nothing here";
            return Err(Error::Refused(why.into()));
        }
        let state = StateDir::choose(global.state_dir.clone())?;
        let log = local::application_log(&state, &self.id, self.follow, global.json).await?;
        if !log.status.success() {
            return Ok(ExitCode::FAILURE);
        }
        if global.json {
            let output = String::from_utf8_lossy(&log.stdout);
            println!("{}", json!({ "id": self.id.as_str(), "output": output }));
        }
        Ok(ExitCode::SUCCESS)
    }
}
