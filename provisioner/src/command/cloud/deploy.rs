//! `treza cloud deploy`: what comes and goes.

use super::super::{Error, Global};
use super::artifacts::{Artifacts, Destination};
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
    /// Show what would be made, and change nothing
    #[arg(long)]
    plan: bool,
}

impl Deploy {
    pub(super) async fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let environment = Environment::open(&self.common, global).await?;
        let cost = costs::of(&self.common.terraform, &environment.name, "runtime")?;
        let what = "Makes or brings up to date what comes and goes: functions, state machines, runner, network, alarms.";
        match self.plan {
            true => environment.say("Shows what would be made, and changes nothing.", &cost),
            false => environment.announce(what, &cost)?,
        }
        let (terraform, region) = (&environment.terraform, &environment.account.region);
        let bucket = environment.state_bucket();
        terraform.init("base", &bucket, region).await?;
        let base = terraform.outputs("base").await?;
        terraform.init("runtime", &bucket, region).await?;
        let destination = destination(&base, &terraform.outputs("runtime").await?, &environment.name)?;
        let artifacts = self
            .artifacts
            .prepare(&environment, global, &destination, self.plan)
            .await?;
        let mut more = OsString::from("-var-file=");
        more.push(&artifacts);
        let plan = terraform.plan("runtime", &[more]).await?;
        if self.plan {
            // The plan stands above; applied it would be without what was not pushed.
            std::fs::remove_file(&plan)
                .map_err(|error| Error::CouldNot(format!("{}: {error}", plan.display())))?;
            return Ok(ExitCode::SUCCESS);
        }
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

/// Where artifacts go, out of the outputs of base and of the runtime that stands.
fn destination(base: &Value, runtime: &Value, environment: &str) -> Result<Destination, Error> {
    let missing = || {
        Error::Refused(format!(
            "what is kept is not there yet: treza cloud bootstrap --environment {environment}"
        ))
    };
    let repository = base
        .pointer("/runner_repository_url/value")
        .and_then(Value::as_str);
    let bundles = runtime
        .pointer("/runtime/value/bundles")
        .and_then(Value::as_array);
    let digests = bundles.into_iter().flatten().filter_map(Value::as_str);
    let uri = runtime
        .pointer("/runtime/value/bundles_uri")
        .and_then(Value::as_str);
    Ok(Destination {
        repository: repository.ok_or_else(missing)?.to_owned(),
        bundles: digests.filter_map(|digest| digest.parse().ok()).collect(),
        bundles_uri: uri.unwrap_or_default().to_owned(),
    })
}
