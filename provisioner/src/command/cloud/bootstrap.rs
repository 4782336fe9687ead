//! `treza cloud bootstrap`: what is kept. Its state goes into a bucket that it makes itself, so the first time it is
//! applied with a local state, which then moves there.

use super::super::{Error, Global};
use super::terraform::Terraform;
use super::{Common, Environment, account, confirm, costs};
use clap::Args;
use std::process::ExitCode;
use store::existing::{self, Findings};

#[derive(Debug, Args)]
pub(in super::super) struct Bootstrap {
    #[command(flatten)]
    common: Common,
    /// A table of rows that is there already: it gets the stream and the indexes that it lacks
    #[arg(long, value_name = "NAME")]
    rows_table: Option<String>,
}

/// What makes base keep its state in a file, while there is no bucket for it: of the environment's own, and not in the
/// module's folder, where every later `init` would ask what to do with it.
pub(super) fn local_backend(terraform: &Terraform) -> Result<String, Error> {
    let state = terraform.kept("base.tfstate")?;
    let path = serde_json::Value::from(state.to_string_lossy());
    Ok(format!(
        "terraform {{\n  backend \"local\" {{\n    path = {path}\n  }}\n}}\n"
    ))
}

pub(super) const OVERRIDE: &str = "backend_override.tf";

impl Bootstrap {
    pub(super) async fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let environment = Environment::open(&self.common, global).await?;
        let cost = costs::of(&self.common.terraform, &environment.name, "base")?;
        environment.announce(
            "Makes or brings up to date what is kept: state bucket, tables, registries, keys.",
            &cost,
        )?;
        let mut more = Vec::new();
        if let Some(table) = &self.rows_table {
            self.prepare(table, global).await?;
            more.push(format!("-var=existing_rows_table={table}").into());
        }
        let terraform = &environment.terraform;
        let (bucket, region) = (environment.state_bucket(), &environment.account.region);
        let first = !bucket_exists(&bucket, global).await?;
        if first {
            eprintln!("There is no bucket {bucket} yet: the state stays in a file until there is.");
            self.begin_locally(terraform).await?;
        } else {
            terraform.init("base", &bucket, region).await?;
        }
        let plan = terraform.plan("base", &more).await?;
        confirm("Apply this plan?", self.common.yes)?;
        terraform.apply("base", &plan).await?;
        if first {
            self.end_locally()?;
            terraform.migrate("base", &bucket, region).await?;
        }
        let outputs = terraform.outputs("base").await?;
        if global.json {
            println!("{outputs}");
        } else {
            println!(
                "What is kept stands. Next: treza cloud deploy --environment {}",
                environment.name
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Looks at a table that is there, shows the calls that it needs, and makes them.
    async fn prepare(&self, table: &str, global: &Global) -> Result<(), Error> {
        let client = account::connection(global).dynamodb().await;
        let Findings {
            updates,
            faults,
            remarks,
        } = existing::check(&client, table).await?;
        if !faults.is_empty() {
            return Err(Error::Refused(format!("table {table}: {}", faults.join("; "))));
        }
        for remark in remarks {
            eprintln!("Table {table}: {remark}.");
        }
        if updates.is_empty() {
            eprintln!("Table {table} has the stream and the indexes that the pipeline needs.");
            return Ok(());
        }
        eprintln!("Table {table} needs:");
        for update in &updates {
            eprintln!("  aws dynamodb update-table --table-name {table} {update}");
        }
        confirm("Make these calls?", self.common.yes)?;
        for update in &updates {
            eprintln!("==> {update}");
            existing::update(&client, table, update).await?;
        }
        Ok(())
    }

    async fn begin_locally(&self, terraform: &Terraform) -> Result<(), Error> {
        let file = self.common.terraform.join("base").join(OVERRIDE);
        std::fs::write(&file, local_backend(terraform)?).map_err(|error| not_written(&file, &error))?;
        terraform.init_locally("base").await
    }

    fn end_locally(&self) -> Result<(), Error> {
        let file = self.common.terraform.join("base").join(OVERRIDE);
        std::fs::remove_file(&file).map_err(|error| not_written(&file, &error))
    }
}

fn not_written(file: &std::path::Path, error: &std::io::Error) -> Error {
    Error::CouldNot(format!("{}: {error}", file.display()))
}

/// Whether the state bucket is there, and ours.
async fn bucket_exists(bucket: &str, global: &Global) -> Result<bool, Error> {
    let client = account::connection(global).s3().await;
    match client.head_bucket().bucket(bucket).send().await {
        Ok(_) => Ok(true),
        Err(error) => {
            let status = error.raw_response().map(|response| response.status().as_u16());
            match status {
                Some(404) => Ok(false),
                Some(403) => Err(Error::CouldNot(format!(
                    "bucket {bucket} is not yours to read: is this the account that the environment is in?"
                ))),
                _ => Err(Error::CouldNot(format!(
                    "bucket {bucket}: {}",
                    contract::fault::causes(&error, 300)
                ))),
            }
        }
    }
}
