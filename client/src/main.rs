//! `treza-attest`: verifies a document, or the evidence in a row.
#![forbid(unsafe_code)]

use clap::{Args, Parser, Subcommand};
use client::options::{Error, Options};
use client::proof::{Outcome, read_row, verify_document, verify_row};
use client::{input, inspect, report};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Checks the evidence of Treza's enclaves against an expectation of your own.
/// Exit code: 0 verified, 2 evidence or input refused, 1 could not be decided.
#[derive(Parser)]
#[command(version, name = "treza-attest")]
struct Program {
    #[command(subcommand)]
    command: Command,
    /// Print one JSON object
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Verifies a document, or the evidence in a row
    Verify {
        #[command(flatten)]
        subject: Subject,
        #[command(flatten)]
        options: Box<Options>,
    },
    /// Shows what evidence says of itself, without verifying it
    Inspect {
        #[command(flatten)]
        subject: Subject,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Subject {
    /// The attestation document: raw, hex or base64; - for standard input
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
    /// The row: plain JSON (binary in base64) or DynamoDB's JSON; - for standard input
    #[arg(long, value_name = "FILE")]
    row: Option<PathBuf>,
}

/// What was read of the subject.
enum Evidence {
    Document(Vec<u8>),
    Row(Vec<u8>),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let program = Program::parse();
    let code = match program.command {
        Command::Verify { subject, options } => {
            let outcome = verify(&subject, &options).await;
            report::print(&outcome, program.json);
            report::exit_code(&outcome)
        }
        Command::Inspect { subject } => {
            let found = look(&subject);
            inspect::print(&found, program.json);
            report::exit_code(&found)
        }
    };
    ExitCode::from(code)
}

async fn verify(subject: &Subject, options: &Options) -> Outcome {
    match subject.read()? {
        Evidence::Document(bytes) => verify_document(bytes, options).await,
        Evidence::Row(bytes) => verify_row(read_row(&bytes)?, options).await,
    }
}

fn look(subject: &Subject) -> Result<Value, Error> {
    Ok(match subject.read()? {
        Evidence::Document(bytes) => inspect::document(&input::document_bytes(bytes))?,
        Evidence::Row(bytes) => inspect::row(read_row(&bytes)?)?,
    })
}

impl Subject {
    fn read(&self) -> Result<Evidence, Error> {
        match (&self.row, &self.document) {
            (Some(path), _) => Ok(Evidence::Row(input::read(path)?)),
            (None, path) => {
                let path = path.as_deref().unwrap_or(Path::new("-"));
                Ok(Evidence::Document(input::read(path)?))
            }
        }
    }
}
