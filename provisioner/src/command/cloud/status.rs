//! `treza cloud status`: what there is, and how its rows stand.

use super::super::session::Session;
use super::super::{Error, Global};
use super::{Common, Environment};
use clap::Args;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use contract::status;
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use store::Rows;

#[derive(Debug, Args)]
pub(in super::super) struct Status {
    #[command(flatten)]
    common: Common,
}

impl Status {
    pub(super) async fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let environment = Environment::open(&self.common, global).await?;
        let (terraform, region) = (&environment.terraform, &environment.account.region);
        let bucket = environment.state_bucket();
        let mut made = Map::new();
        for root in ["base", "runtime"] {
            terraform.init(root, &bucket, region).await?;
            let outputs = terraform.outputs(root).await?;
            made.insert(
                root.to_owned(),
                json!(!outputs.as_object().is_none_or(Map::is_empty)),
            );
        }
        let rows = match made["base"] == json!(true) {
            true => counts(&Session::open(global).await?.rows).await?,
            false => Map::new(),
        };
        if global.json {
            println!(
                "{}",
                json!({"environment": environment.name, "made": made, "rows": rows})
            );
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = Table::new();
        table.load_preset(NOTHING).set_header(["what", "stands"]);
        for (root, stands) in &made {
            table.add_row([root.as_str(), if *stands == json!(true) { "yes" } else { "no" }]);
        }
        for (status, count) in &rows {
            table.add_row([&format!("rows {status}"), &count.to_string()]);
        }
        println!("{table}");
        Ok(ExitCode::SUCCESS)
    }
}

/// How many rows there are in each status, without those in which there are none.
pub(super) async fn counts(rows: &Rows) -> Result<Map<String, Value>, Error> {
    let mut counts = Map::new();
    for status in status::ALL {
        let rows = rows.ids_by_status(status).await?.len();
        if rows > 0 {
            counts.insert(status.to_string(), rows.into());
        }
    }
    Ok(counts)
}
