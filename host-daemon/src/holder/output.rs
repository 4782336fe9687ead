//! The application's output, kept in `application.log`.

use super::Holder;
use crate::agent;
use crate::driver::Driver;
use crate::enclave_dir::APPLICATION_LOG_BYTES;
use crate::files::RotatingLog;
use contract::agent::{Answer, Request};
use contract::ports::AGENT;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// How long the agent may take to grant the stream.
const GRANT_LIMIT: Duration = Duration::from_secs(10);

/// Writes the application's output to its log until the enclave closes the stream.
pub(super) async fn keep<D: Driver>(holder: Arc<Holder<D>>) {
    if let Err(error) = copy(&holder).await {
        tracing::warn!(%error, "the application's output is no longer kept");
    }
}

async fn copy<D: Driver>(holder: &Holder<D>) -> io::Result<()> {
    let mut log = RotatingLog::open(holder.dir.application_log(), APPLICATION_LOG_BYTES)?;
    let mut stream = holder.driver.connect(&holder.dir, AGENT).await?;
    let granted = agent::ask(&mut stream, &Request::Output, GRANT_LIMIT).await;
    if !matches!(granted.map_err(io::Error::other)?, Answer::Granted) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = stream.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        log.write_all(bytes)?;
    }
}
