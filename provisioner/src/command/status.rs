//! `treza status`: one row, or all of them; once, or at each change.

use super::session::{self, Session};
use super::{Error, Global, show};
use clap::Args;
use contract::RecordId;
use contract::item::to_plain_json;
use contract::row::Row;
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;

/// The wait between two looks.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(super) struct Status {
    /// The row's id; without one, all rows
    #[arg(value_parser = session::id)]
    id: Option<RecordId>,
    /// Show it again at each change, until interrupted
    #[arg(long)]
    watch: bool,
}

impl Status {
    pub(super) async fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let session = Session::open(global).await?;
        let mut shown = String::new();
        loop {
            let text = self.text(&session, global.json).await?;
            if text != shown {
                println!("{text}");
                shown = text;
            }
            if !self.watch {
                return Ok(ExitCode::SUCCESS);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn text(&self, session: &Session, json: bool) -> Result<String, Error> {
        let Some(id) = &self.id else {
            let items = session.rows.all().await?;
            return Ok(if json {
                Value::Array(items.iter().map(to_plain_json).collect()).to_string()
            } else {
                show::listing(&items)
            });
        };
        let item = session.row(id).await?;
        if json {
            return Ok(to_plain_json(&item).to_string());
        }
        Ok(match Row::read(item.clone()) {
            Ok(row) => show::details(&row),
            Err(_) => show::listing(&[item]),
        })
    }
}
