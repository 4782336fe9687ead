//! The ingress: a TCP port of the host for each port of the application.

use super::Holder;
use crate::Error;
use crate::agent;
use crate::driver::Driver;
use contract::agent::{Answer, Request};
use contract::ports::AGENT;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// The most connections at once to one port.
const MAX_CONNECTIONS: usize = 256;
/// How long the agent may take to reach the application.
const GRANT_LIMIT: Duration = Duration::from_secs(10);

/// Listens for the application's `port` on a free port of the host; where.
pub(super) async fn open<D: Driver>(holder: Arc<Holder<D>>, port: u16) -> Result<SocketAddr, Error> {
    let what = || {
        format!(
            "listen on {} for the application's port {port}",
            holder.spec.address
        )
    };
    let failed = |source: io::Error| Error::Io { what: what(), source };
    let listener = TcpListener::bind((holder.spec.address, 0))
        .await
        .map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tokio::spawn(serve(holder, listener, port));
    Ok(address)
}

async fn serve<D: Driver>(holder: Arc<Holder<D>>, listener: TcpListener, port: u16) {
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = free.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, say: some will close.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let holder = holder.clone();
        tokio::spawn(async move {
            // A broken connection is its two ends' affair: each sees it close.
            let _ = forward(&holder, stream, port).await;
            drop(place);
        });
    }
}

/// Copies both ways until both sides have closed; a side that closes its sending half alone may still receive.
async fn forward<D: Driver>(holder: &Holder<D>, mut outside: TcpStream, port: u16) -> io::Result<()> {
    outside.set_nodelay(true)?;
    let mut inside = holder.driver.connect(&holder.dir, AGENT).await?;
    let granted = agent::ask(&mut inside, &Request::Forward(port), GRANT_LIMIT).await;
    match granted.map_err(io::Error::other)? {
        Answer::Granted => copy_bidirectional(&mut outside, &mut inside).await.map(drop),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
