//! `treza cloud deploy`: what comes and goes.

use super::super::{Error, Global};
use super::artifacts::Artifacts;
use super::{Common, Environment, confirm, costs};
use clap::Args;
use serde_json::Value;
use std::ffi::OsString;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(in super::super) struct Deploy {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    artifacts: Artifacts,
}

impl Deploy {
    pub(super) async fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let environment = Environment::open(&self.common, global).await?;
        let cost = costs::of(&self.common.terraform, &environment.name, "runtime")?;
        environment.announce(
            "Makes or brings up to date what comes and goes: functions, state machines, runner, network, alarms.",
            &cost,
        )?;
        let (terraform, region) = (&environment.terraform, &environment.account.region);
        let bucket = environment.state_bucket();
        terraform.init("base", &bucket, region).await?;
        let repository = repository(&terraform.outputs("base").await?, &environment.name)?;
        let artifacts = self.artifacts.prepare(&environment, global, &repository).await?;
        terraform.init("runtime", &bucket, region).await?;
        let mut more = OsString::from("-var-file=");
        more.push(&artifacts);
        let plan = terraform.plan("runtime", &[more]).await?;
        confirm("Apply this plan?", self.common.yes)?;
        terraform.apply("runtime", &plan).await?;
        let outputs = terraform.outputs("runtime").await?;
        if global.json {
            println!("{outputs}");
        } else {
            println!(
                "The pipeline stands. Next: treza deploy --environment {} --region {region} --image REPOSITORY:TAG --wait",
                environment.name
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Where the runner's image goes, out of base's outputs.
fn repository(outputs: &Value, environment: &str) -> Result<String, Error> {
    let url = outputs
        .pointer("/runner_repository_url/value")
        .and_then(Value::as_str);
    url.map(str::to_owned).ok_or_else(|| {
        Error::Refused(format!(
            "what is kept is not there yet: treza cloud bootstrap --environment {environment}"
        ))
    })
}
