//! `treza cloud destroy`: what comes and goes is taken down, once no row has a host any more; with `--base`, all.

use super::super::session::Session;
use super::super::{Error, Global};
use super::status::counts;
use super::{Common, Environment, confirm};
use clap::Args;
use contract::Status;
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(in super::super) struct Destroy {
    #[command(flatten)]
    common: Common,
    /// What is kept too: state, tables, registries, keys, and all that is in them
    #[arg(long)]
    base: bool,
}

impl Destroy {
    pub(super) async fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let environment = Environment::open(&self.common, global).await?;
        let what = match self.base {
            true => "Takes down ALL of the environment: rows, reports, images and states are gone for good.",
            false => "Takes down what comes and goes. Rows, reports, images and states are kept.",
        };
        environment.announce(what, "none from then on, but for what is kept")?;
        refuse_while_hosts_run(global).await?;
        let (terraform, region) = (&environment.terraform, &environment.account.region);
        let bucket = environment.state_bucket();
        terraform.init("runtime", &bucket, region).await?;
        let plan = terraform.plan_destroy("runtime").await?;
        confirm("Apply this plan?", self.common.yes)?;
        terraform.apply("runtime", &plan).await?;
        if self.base {
            self.take_down_base(&environment, &bucket).await?;
        }
        if global.json {
            println!(
                "{}",
                json!({"environment": environment.name, "runtime": false, "base": !self.base})
            );
        } else {
            println!("It is taken down.");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The bucket of the state goes too, so the state leaves it first.
    async fn take_down_base(&self, environment: &Environment, bucket: &str) -> Result<(), Error> {
        let (terraform, region) = (&environment.terraform, &environment.account.region);
        terraform.init("base", bucket, region).await?;
        let file = self
            .common
            .terraform
            .join("base")
            .join(super::bootstrap::OVERRIDE);
        std::fs::write(&file, super::bootstrap::local_backend(terraform)?)
            .map_err(|error| Error::CouldNot(format!("{}: {error}", file.display())))?;
        let done = async {
            terraform.migrate_locally("base").await?;
            let plan = terraform.plan_destroy("base").await?;
            confirm("Apply this plan?", self.common.yes)?;
            terraform.apply("base", &plan).await
        };
        let done = done.await;
        std::fs::remove_file(&file)
            .map_err(|error| Error::CouldNot(format!("{}: {error}", file.display())))?;
        done
    }
}

/// A host that is left has no one who would take it down any more.
async fn refuse_while_hosts_run(global: &Global) -> Result<(), Error> {
    const ENDED: [Status; 2] = [Status::Destroyed, Status::Failed];
    let counts = counts(&Session::open(global).await?.rows).await?;
    let living: Vec<_> = counts
        .iter()
        .filter(|(status, _)| !ENDED.iter().any(|ended| ended.as_str() == status.as_str()))
        .map(|(status, count)| format!("{count} {status}"))
        .collect();
    if living.is_empty() {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "rows have hosts, or wait for one ({}): end them first with `treza destroy ID --wait`",
        living.join(", ")
    )))
}
