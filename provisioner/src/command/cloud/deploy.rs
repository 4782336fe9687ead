//! `treza cloud deploy`: what comes and goes.

use super::super::{Error, Global};
use super::artifacts::{Artifacts, Destination};
use super::plan::Changes;
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
    /// Show what would be made and the plan's digest, and change nothing
    #[arg(long)]
    plan: bool,
    /// Do it without asking if it is the plan of this digest, as --plan said, and refuse any other
    #[arg(long, value_name = "DIGEST", conflicts_with = "plan")]
    approved: Option<String>,
}

impl Deploy {
    pub(super) async fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let environment = Environment::open(&self.common, global).await?;
        let cost = costs::of_runtime(&self.common.terraform, &environment.name)?;
        let what = "Makes or brings up to date what comes and goes: functions, state machines, runner, network, alarms. \
                    Pushes the runner's image, uploads packages and bundles.";
        match self.plan {
            true => environment.say("Shows what would be made, and changes nothing.", &cost),
            false if self.approved.is_some() => environment.say(what, &cost),
            false => environment.announce(what, &cost)?,
        }
        let destination = destination(&environment).await?;
        let prepared = self.artifacts.prepare(&environment, &destination).await?;
        let mut more = OsString::from("-var-file=");
        more.push(&prepared.variables);
        let terraform = &environment.terraform;
        if self.plan {
            // Nothing is applied of it: a lock would be a change, and in the way of who has one.
            let plan = terraform.plan("runtime", &[more, "-lock=false".into()]).await?;
            show(&plan.changes, global.json);
            return Ok(ExitCode::SUCCESS);
        }
        let plan = terraform.plan("runtime", &[more]).await?;
        let image = prepared.image_to_push(&environment).await?;
        if let Some(image) = &image {
            eprintln!("The runner's image is pushed first: {}", image.reference());
        }
        if !plan.changes.is_none() || image.is_some() {
            self.agree(&plan.changes)?;
        }
        if let Some(image) = image {
            image.push(&environment).await?;
        }
        if !plan.changes.is_none() {
            terraform.apply("runtime", plan).await?;
        }
        if global.json {
            println!("{}", terraform.outputs("runtime").await?.unwrap_or_default());
        } else {
            println!(
                "The pipeline stands. Next: treza deploy --environment {} --region {} --image REPOSITORY:TAG --wait",
                environment.name, environment.account.region
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Asks, where nobody has agreed already, and then to this very plan.
    fn agree(&self, changes: &Changes) -> Result<(), Error> {
        match &self.approved {
            None => confirm("Apply this plan?", self.common.yes),
            Some(approved) if *approved == changes.digest => Ok(()),
            Some(approved) => Err(Error::Refused(format!(
                "the plan above is {}, and {approved} was approved: something has changed since. Nothing was done: show \
                 the new plan with --plan, and have that approved",
                changes.digest
            ))),
        }
    }
}

fn show(changes: &Changes, json: bool) {
    match (json, changes.is_none()) {
        (true, _) => println!("{}", changes.json()),
        (false, true) => println!("Nothing would change."),
        (false, false) => println!(
            "Nothing was done. To do this and nothing else: --approved {}",
            changes.digest
        ),
    }
}

/// Where artifacts go, out of the outputs of base and of the runtime that stands.
async fn destination(environment: &Environment) -> Result<Destination, Error> {
    let base = environment.base().await?;
    let repository = base
        .as_ref()
        .and_then(|base| base.pointer("/runner_repository_url/value"))
        .and_then(Value::as_str);
    // A bootstrap that was cut off has its state beside it.
    let repository = repository.filter(|_| !environment.terraform.state_file().exists());
    let repository = repository.ok_or_else(|| {
        let (name, region) = (&environment.name, &environment.account.region);
        Error::Refused(format!(
            "what is kept is not there yet: treza cloud bootstrap --environment {name} --region {region}"
        ))
    })?;
    let runtime = environment.runtime().await?.unwrap_or_default();
    let bundles = runtime
        .pointer("/runtime/value/bundles")
        .and_then(Value::as_array);
    let digests = bundles.into_iter().flatten().filter_map(Value::as_str);
    let uri = runtime
        .pointer("/runtime/value/bundles_uri")
        .and_then(Value::as_str);
    Ok(Destination {
        repository: repository.to_owned(),
        bundles: digests.filter_map(|digest| digest.parse().ok()).collect(),
        bundles_uri: uri.unwrap_or_default().to_owned(),
    })
}
