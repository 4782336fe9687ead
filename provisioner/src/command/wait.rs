//! Waiting for a row to settle: each status as it comes, with the time that it took.

use super::session::Session;
use super::{Error, show};
use clap::Args;
use contract::row::{AttestationState, Row};
use contract::{RecordId, Status, fault};
use serde_json::json;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The wait between two looks at the row.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
pub(super) struct Wait {
    /// Wait until it is done, showing each status as it comes
    #[arg(long)]
    wait: bool,
    /// Wait so long at most
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, requires = "wait")]
    timeout: u64,
}

/// One status of a row, and what it was about.
struct Stage {
    text: String,
    status: Status,
    begun: Duration,
}

impl Wait {
    /// After a request was written: waits if that is wanted, and shows the row.
    pub(super) async fn after(
        &self,
        session: &Session,
        id: &RecordId,
        json: bool,
    ) -> Result<ExitCode, Error> {
        if self.wait {
            return self.until_settled(session, id, json).await;
        }
        let status = show::status(&session.row(id).await?);
        if json {
            println!("{}", json!({ "id": id.as_str(), "status": status }));
        } else {
            println!(
                "{id} is {status}; see `treza status {id} --watch{}`",
                session.options
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn until_settled(&self, session: &Session, id: &RecordId, json: bool) -> Result<ExitCode, Error> {
        let started = Instant::now();
        let mut stages: Vec<Stage> = Vec::new();
        loop {
            let text = match Row::read(session.row(id).await?) {
                Ok(row) => {
                    let text = show::stage(&row);
                    if stages.last().is_none_or(|last| last.text != text) {
                        let begun = started.elapsed();
                        if !json {
                            println!("{:>7.2} s  {text}", begun.as_secs_f64());
                        }
                        let (text, status) = (text.clone(), row.status);
                        stages.push(Stage { text, status, begun });
                    }
                    if !row.status.is_transient() {
                        report(&row, &stages, json);
                        return Ok(ExitCode::from(exit_code(&row)));
                    }
                    text
                }
                // The pipeline is to say so in the row, any moment.
                Err(faults) => format!("not to be read ({})", fault::describe(&faults)),
            };
            if started.elapsed() > Duration::from_secs(self.timeout) {
                return Err(Error::CouldNot(format!(
                    "row {id} is after {} s still {text}; see `treza status {id}{}` and the pipeline's log",
                    self.timeout, session.options
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn report(row: &Row, stages: &[Stage], json: bool) {
    if json {
        let steps: Vec<_> = stages
            .iter()
            .map(|stage| json!({ "status": stage.status.as_str(), "stage": stage.text, "seconds": stage.begun.as_secs_f64() }))
            .collect();
        let mut object = contract::item::to_plain_json(&row.item);
        object["steps"] = json!(steps);
        println!("{object}");
    } else {
        println!("{}", show::details(row));
    }
}

/// 0 for a row that is as it was asked for, 2 for one whose evidence was refused, 1 for one that failed otherwise.
fn exit_code(row: &Row) -> u8 {
    let refused = row
        .attestation
        .as_ref()
        .is_some_and(|a| a.state == AttestationState::Refused);
    match row.status {
        Status::Failed if refused => 2,
        Status::Failed => 1,
        _ => 0,
    }
}
