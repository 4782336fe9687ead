//! `treza-host stop`.

use super::find;
use crate::Error;
use crate::driver::Emulator;
use crate::enclave_dir::EnclaveDir;
use crate::heartbeat::HubListener;
use crate::holding::Holding;
use crate::state_dir::StateDir;
use std::time::Duration;

/// Ends one enclave, by its row's id or its vsock address, and removes what it leaves. A daemon that wants it running
/// reports its end.
pub async fn stop(state_dir: &StateDir, name: &str, grace: Duration) -> Result<(), Error> {
    end(find(state_dir, name)?, grace).await
}

/// Ends all enclaves of the host, all at once; the first error, if there is one, after every one was tried.
pub async fn stop_all(state_dir: &StateDir, grace: Duration) -> Result<(), Error> {
    let ends: Vec<_> = state_dir
        .enclaves()?
        .into_iter()
        .map(|dir| tokio::spawn(end(dir, grace)))
        .collect();
    let mut outcome = Ok(());
    for end in ends {
        let ended = end
            .await
            .unwrap_or_else(|panic| Err(Error::NotStarted(panic.to_string())));
        outcome = outcome.and(ended);
    }
    // A daemon that was killed leaves its socket.
    if let Ok(_lock) = state_dir.lock() {
        HubListener::unlink(&state_dir.hub())?;
    }
    outcome
}

async fn end(dir: EnclaveDir, grace: Duration) -> Result<(), Error> {
    if let Some(holding) = Holding::find(dir.clone())? {
        let ended = holding.stop(&Emulator, Some(grace)).await?;
        println!(
            "{}: {}",
            dir.path().file_name().unwrap_or_default().display(),
            ended.how
        );
    }
    dir.remove()
}
