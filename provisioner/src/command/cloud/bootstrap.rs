//! `treza cloud bootstrap`: what is kept. Its state goes into a bucket that it makes itself, so the first time it is
//! applied with a state in a file, which then moves there.

use super::super::{Error, Global};
use super::terraform::Backend;
use super::{Common, Environment, confirm, costs};
use clap::Args;
use serde_json::Value;
use std::process::ExitCode;
use store::existing::{self, Findings};

#[derive(Debug, Args)]
pub(in super::super) struct Bootstrap {
    #[command(flatten)]
    common: Common,
    /// A table of rows that is there already: it gets the stream and the indexes that it lacks. It is used from then on
    #[arg(long, value_name = "NAME")]
    rows_table: Option<String>,
}

impl Bootstrap {
    pub(super) async fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let environment = Environment::open(&self.common, global).await?;
        let cost = costs::of_base(&self.common.terraform, &environment.name)?;
        environment.announce(
            "Makes or brings up to date what is kept: state bucket, tables, registries, keys.",
            &cost,
        )?;
        let backend = environment.base_state().await?;
        let begun = backend.unwrap_or(Backend::File);
        let (terraform, file) = (&environment.terraform, environment.terraform.state_file());
        match backend {
            None => eprintln!(
                "There is no bucket {} yet: the state stays in {} until there is.",
                environment.bucket,
                file.display()
            ),
            Some(Backend::File) => eprintln!(
                "What was begun did not come to its end: this goes on from the state in {}.",
                file.display()
            ),
            Some(Backend::Bucket(_)) => {}
        }
        terraform.connect("base", begun).await?;
        let mut more = Vec::new();
        if let Some(table) = self.rows_table(&environment, terraform.outputs("base").await?)? {
            self.prepare(&table, &environment).await?;
            more.push(format!("-var=existing_rows_table={table}").into());
        }
        let plan = terraform.plan("base", &more).await?;
        if !plan.changes.is_none() {
            confirm("Apply this plan?", self.common.yes)?;
            terraform.apply("base", plan).await?;
        }
        if matches!(begun, Backend::File) {
            terraform
                .migrate("base", Backend::Bucket(&environment.bucket))
                .await?;
            terraform.forget_state_file()?;
        }
        let outputs = terraform.outputs("base").await?.unwrap_or_default();
        if global.json {
            println!("{outputs}");
        } else {
            println!(
                "What is kept stands. Next: treza cloud deploy --environment {} --region {} --host-package FILE",
                environment.name, environment.account.region
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The table that was there already, if rows are in one: what the environment began with stays.
    fn rows_table(&self, environment: &Environment, base: Option<Value>) -> Result<Option<String>, Error> {
        let Some(base) = base else {
            return Ok(self.rows_table.clone());
        };
        let existing = base.pointer("/base/value/existing_rows_table");
        let existing = existing.and_then(Value::as_str).map(str::to_owned);
        match (&self.rows_table, &existing) {
            (Some(asked), _) if Some(asked) != existing.as_ref() => {
                let rows = base.pointer("/base/value/rows/name").and_then(Value::as_str);
                Err(Error::Refused(format!(
                    "rows of {} are in table {}, and would be lost to the pipeline: leave --rows-table out, or take the \
                     environment down first (treza cloud destroy --base)",
                    environment.name,
                    rows.unwrap_or_default()
                )))
            }
            _ => Ok(existing),
        }
    }

    /// Looks at a table that is there, shows the calls that it needs, and makes them.
    async fn prepare(&self, table: &str, environment: &Environment) -> Result<(), Error> {
        let client = environment.connection.dynamodb().await;
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
        eprintln!(
            "Table {table} needs (an index is filled once, at a write unit or more for each row that it holds):"
        );
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
}
