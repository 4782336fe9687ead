//! `treza cloud destroy`: what comes and goes is taken down, once no row has a host any more; with `--base`, all.

use super::super::{Error, Global};
use super::terraform::Backend;
use super::{Common, Environment, confirm, costs, hosts};
use clap::Args;
use serde_json::{Value, json};
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
        let (what, cost) = match self.base {
            true => (
                "Takes down ALL of the environment: rows, reports, images and states are gone for good.",
                "none from then on; keys wait some days for their deletion, without cost".to_owned(),
            ),
            false => (
                "Takes down what comes and goes. Rows, reports, images and states are kept.",
                format!(
                    "from then on that of what is kept, {}",
                    costs::of_base(&self.common.terraform, &environment.name)?
                ),
            ),
        };
        environment.announce(what, &cost)?;
        if environment.base_state().await?.is_none() {
            println!("{}", nothing(&environment.name, global.json));
            return Ok(ExitCode::SUCCESS);
        }
        let base = environment.base().await?;
        if let Some(base) = base.as_ref().filter(|_| self.base) {
            refuse_protected(&environment, base).await?;
        }
        self.take_down_runtime(&environment, base.as_ref()).await?;
        if self.base {
            self.take_down_base(&environment).await?;
        }
        if global.json {
            println!(
                "{}",
                json!({"environment": environment.name, "runtime": false, "base": base.is_some() && !self.base})
            );
        } else {
            println!("It is taken down.");
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn take_down_runtime(&self, environment: &Environment, base: Option<&Value>) -> Result<(), Error> {
        if !environment.has_bucket().await? {
            return Ok(());
        }
        let (terraform, bucket) = (&environment.terraform, Backend::Bucket(&environment.bucket));
        terraform.connect("runtime", bucket).await?;
        let pipeline = terraform.has_anything("runtime").await?;
        hosts::refuse_while_any(environment, base, pipeline).await?;
        if !pipeline {
            return Ok(());
        }
        let plan = terraform.plan_destroy("runtime").await?;
        confirm("Apply this plan?", self.common.yes)?;
        // Someone may have asked for an enclave while the plan was read.
        hosts::refuse_while_any(environment, base, pipeline).await?;
        terraform.apply("runtime", plan).await
    }

    /// The bucket of the state goes too, so the state leaves it first.
    async fn take_down_base(&self, environment: &Environment) -> Result<(), Error> {
        let terraform = &environment.terraform;
        let Some(backend) = environment.base_state().await? else {
            return Ok(());
        };
        terraform.connect("base", backend).await?;
        if let Backend::Bucket(_) = backend {
            terraform.migrate("base", Backend::File).await?;
        }
        let agreed = async {
            let plan = terraform.plan_destroy("base").await?;
            confirm("Apply this plan?", self.common.yes)?;
            Ok(plan)
        };
        let plan = match (agreed.await, backend) {
            (Ok(plan), _) => plan,
            (Err(error), Backend::Bucket(_)) => {
                // Nothing was begun: what the bucket has still counts.
                terraform.forget_state_file()?;
                return Err(error);
            }
            (Err(error), Backend::File) => return Err(error),
        };
        terraform.apply("base", plan).await?;
        terraform.forget_state_file()
    }
}

fn nothing(environment: &str, json: bool) -> String {
    match json {
        true => json!({"environment": environment, "runtime": false, "base": false}).to_string(),
        false => format!("There is nothing of {environment} in this account and region."),
    }
}

/// Refuses what AWS would refuse in the middle of it.
async fn refuse_protected(environment: &Environment, base: &Value) -> Result<(), Error> {
    let client = environment.connection.dynamodb().await;
    for table in ["reports", "turns"] {
        let name = base.pointer(&format!("/base/value/{table}/name"));
        let name = name.and_then(Value::as_str).unwrap_or_default();
        let Ok(answer) = client.describe_table().table_name(name).send().await else {
            // It has gone already.
            continue;
        };
        let table = answer.table.and_then(|table| table.deletion_protection_enabled);
        if table == Some(true) {
            return Err(Error::Refused(format!(
                "table {name} is protected from its deletion. Nothing was done. Two steps, each deliberate: \
                 deletion_protection = false in {} and treza cloud bootstrap --environment {}; then this again",
                environment.terraform.file.display(),
                environment.name
            )));
        }
    }
    Ok(())
}
