//! `treza cloud status`: what there is, how its rows stand, and what hosts there are.

use super::super::{Error, Global};
use super::{Common, Environment, hosts};
use clap::Args;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::{Map, json};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(in super::super) struct Status {
    #[command(flatten)]
    common: Common,
}

impl Status {
    pub(super) async fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let environment = Environment::open(&self.common, global).await?;
        let base = environment.base().await?;
        let runtime = environment.runtime().await?;
        let rows = match &base {
            Some(base) => hosts::counts(&environment.rows(base).await?).await?,
            None => Map::new(),
        };
        let hosts = hosts::states(&environment).await?.len();
        // Of a command that was cut off.
        let unfinished = environment.terraform.state_file();
        let unfinished = unfinished.exists().then(|| unfinished.display().to_string());
        if global.json {
            println!(
                "{}",
                json!({
                    "environment": environment.name,
                    "made": {"base": base.is_some(), "runtime": runtime.is_some()},
                    "rows": rows, "hosts": hosts, "unfinished": unfinished,
                })
            );
            return Ok(ExitCode::SUCCESS);
        }
        let yes = |stands: bool| if stands { "yes" } else { "no" };
        let mut table = Table::new();
        table.load_preset(NOTHING).set_header(["what", "stands"]);
        table.add_row(["base", yes(base.is_some())]);
        table.add_row(["runtime", yes(runtime.is_some())]);
        for (status, count) in &rows {
            table.add_row([&format!("rows {status}"), &count.to_string()]);
        }
        table.add_row(["hosts", &hosts.to_string()]);
        println!("{table}");
        if let Some(file) = unfinished {
            println!(
                "A bootstrap or destroy did not come to its end: run it again; it goes on from the state in {file}."
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}
