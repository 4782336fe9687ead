//! The heartbeat of a boot: one byte to the host and back, as nitro-cli has it.

use contract::ports::{HEARTBEAT, HEARTBEAT_BYTE, PARENT_CID};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};
use tokio_vsock::{VsockAddr, VsockStream};

/// How long one try may take.
const TRY: Duration = Duration::from_secs(5);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(10);
/// How long it is tried: the host's daemon may be starting again.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sends the heartbeat until the host returns it, and says so if it never does: an enclave that nobody waits for is
/// none the worse, and its parent may still ask for it.
pub async fn send() {
    let start = Instant::now();
    loop {
        let beat =
            async { exchange(VsockStream::connect(VsockAddr::new(PARENT_CID, HEARTBEAT)).await?).await };
        let failure = match timeout(TRY, beat).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        if start.elapsed() > PATIENCE {
            crate::say!("no heartbeat: nobody answers on the host's vsock port {HEARTBEAT}: {failure}");
            return;
        }
        sleep(PAUSE).await;
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(&[HEARTBEAT_BYTE]).await?;
    match stream.read_u8().await? {
        HEARTBEAT_BYTE => Ok(()),
        other => Err(io::Error::other(format!(
            "the host returned {other:#04x}, not {HEARTBEAT_BYTE:#04x}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_byte_goes_and_must_come_back() {
        for (answer, good) in [(HEARTBEAT_BYTE, true), (0, false)] {
            let (ours, mut host) = tokio::io::duplex(8);
            let beat = tokio::spawn(exchange(ours));
            assert_eq!(host.read_u8().await.unwrap(), 0xB7);
            host.write_u8(answer).await.unwrap();
            assert_eq!(beat.await.unwrap().is_ok(), good);
        }
        let (ours, host) = tokio::io::duplex(8);
        drop(host);
        assert!(exchange(ours).await.is_err());
    }
}
