//! `treza-lambda`: every function of the pipeline in AWS Lambda, as the `bootstrap` of one package. The function's handler
//! setting says which one it is.
#![forbid(unsafe_code)]

use provisioner::lambda;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // Lambda adds the time.
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .without_time()
        .with_env_filter(filter)
        .init();
    let handler = std::env::var("_HANDLER").unwrap_or_default();
    match lambda::run(&handler).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the function cannot be served");
            ExitCode::FAILURE
        }
    }
}
