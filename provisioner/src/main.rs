//! `treza`: deploy, watch, verify and end enclaves; run the whole pipeline on this machine.
#![forbid(unsafe_code)]

use clap::Parser;
use provisioner::command::Program;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// What is logged unless `RUST_LOG` says otherwise. The database warns of each write whose condition did not hold, which
/// is how writers at once go about it.
const LOG: &str = "warn,provisioner=info,dynoxide=error";

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    Program::parse().run().await
}
