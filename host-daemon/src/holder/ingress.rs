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

/// The ports of the host that rows prefer: below those that Linux gives to connections on their way out (32768 on),
/// so that none of these takes one.
const PREFERRED: std::ops::Range<u16> = 20_000..30_000;

/// The host's port that the row `record_id` prefers for its application's `port`: the same each time that it is
/// launched, on every host, so that its clients find it again after a pause. FNV-1a, 32 bits.
fn preferred(record_id: &str, port: u16) -> u16 {
    let bytes = record_id.bytes().chain(port.to_be_bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let count = u32::from(PREFERRED.end - PREFERRED.start);
    u16::try_from(hash % count).map_or(PREFERRED.start, |offset| PREFERRED.start + offset)
}

/// Listens for the application's `port` on the port of the host that its row prefers, else on any free one; where.
pub(super) async fn open<D: Driver>(holder: Arc<Holder<D>>, port: u16) -> Result<SocketAddr, Error> {
    let what = || {
        format!(
            "listen on {} for the application's port {port}",
            holder.spec.address
        )
    };
    let failed = |source: io::Error| Error::Io { what: what(), source };
    let (ip, owner) = (holder.spec.address, holder.spec.owner.as_ref());
    let first = owner.map_or(0, |owner| preferred(&owner.record_id, port));
    let listener = match TcpListener::bind((ip, first)).await {
        Err(_) if first != 0 => TcpListener::bind((ip, 0)).await,
        bound => bound,
    };
    let listener = listener.map_err(failed)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_prefers_the_same_port_each_time_and_another_for_each_of_its_own() {
        assert_eq!(preferred("enc_1", 80), preferred("enc_1", 80));
        let of_one: std::collections::BTreeSet<_> =
            (8000..8016).map(|port| preferred("enc_1", port)).collect();
        let of_many: std::collections::BTreeSet<_> =
            (0..100).map(|n| preferred(&format!("enc_{n}"), 80)).collect();
        assert!(
            of_one.len() >= 15 && of_many.len() >= 95,
            "{of_one:?} {of_many:?}"
        );
        assert!(of_one.iter().chain(&of_many).all(|port| PREFERRED.contains(port)));
    }
}
