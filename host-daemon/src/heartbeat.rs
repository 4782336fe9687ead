//! The boot heartbeat: one listener for all enclaves of the host, told apart by their vsock addresses. An enclave
//! that is up connects, sends 0xB7 and reads it back (nitro-cli's convention).

use crate::Error;
use crate::files::remove_if_there;
use contract::ports::{HEARTBEAT, HEARTBEAT_BYTE};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

/// How long an enclave may take over its heartbeat once it is connected.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most connections at once, and of them those of one enclave: none keeps the others from being heard.
const MAX_CONNECTIONS: usize = 64;
const MAX_OF_ONE: usize = 2;
/// The longest line `CID 4294967295\n`.
const MAX_PREFACE: usize = 15;

/// Where heartbeats arrive.
pub trait Listener: Send + Sync + 'static {
    /// A guest's connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next connection.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Which enclave it comes from.
    fn origin(stream: &mut Self::Stream) -> impl Future<Output = io::Result<u32>> + Send;
}

/// The emulated enclaves' listener, `hub/9000.sock`. Their vsock devices connect there and write `CID <n>\n` before
/// the guest's own bytes.
#[derive(Debug)]
pub struct HubListener(UnixListener);

impl HubListener {
    /// Listens in the directory `hub`. The caller holds the daemon's lock: a socket that stands there is a dead
    /// daemon's.
    pub fn bind(hub: &Path) -> Result<Self, Error> {
        Self::unlink(hub)?;
        let path = Self::socket(hub);
        UnixListener::bind(&path)
            .map(Self)
            .map_err(Error::io("listen on", &path))
    }

    /// Removes the socket in `hub` that a daemon leaves; the caller holds the daemon's lock.
    pub fn unlink(hub: &Path) -> Result<(), Error> {
        remove_if_there(&Self::socket(hub))
    }

    fn socket(hub: &Path) -> PathBuf {
        hub.join(format!("{HEARTBEAT}.sock"))
    }
}

impl Listener for HubListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.0.accept().await?.0)
    }

    async fn origin(stream: &mut UnixStream) -> io::Result<u32> {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') && line.len() < MAX_PREFACE {
            line.push(stream.read_u8().await?);
        }
        parse_preface(&line).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// Reads `CID <n>\n`.
pub fn parse_preface(line: &[u8]) -> Option<u32> {
    let digits = line.strip_prefix(b"CID ")?.strip_suffix(b"\n")?;
    let cid: u32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (cid.to_string().as_bytes() == digits).then_some(cid)
}

/// The heartbeats that are waited for.
#[derive(Debug, Clone, Default)]
pub struct Heartbeats {
    waiting: Arc<Mutex<HashMap<u32, Waiting>>>,
}

/// Who waits for the heartbeat of an enclave, and the places that its connections have.
#[derive(Debug)]
struct Waiting {
    sender: oneshot::Sender<()>,
    places: Arc<Semaphore>,
}

impl Heartbeats {
    /// Begins to wait for the heartbeat of an enclave: to be called before it is started.
    pub fn expect(&self, cid: u32) -> Expected {
        let (sender, receiver) = oneshot::channel();
        let places = Arc::new(Semaphore::new(MAX_OF_ONE));
        self.waiting().insert(cid, Waiting { sender, places });
        Expected(receiver)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u32, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection of the enclave `cid`, while somebody waits for it.
    fn place(&self, cid: u32) -> Option<OwnedSemaphorePermit> {
        let waiting = self.waiting();
        let awaited = waiting.get(&cid).filter(|waiting| !waiting.sender.is_closed())?;
        awaited.places.clone().try_acquire_owned().ok()
    }

    /// Answers every heartbeat that is waited for, for ever. Any other connection is closed at once: an enclave that
    /// was started by a daemon before this one is none the worse for it.
    pub async fn serve<L: Listener>(self, listener: L) {
        let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = free.clone().acquire_owned().await else {
                return;
            };
            let stream = match listener.accept().await {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(%error, "heartbeat listener");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let heartbeats = self.clone();
            tokio::spawn(async move {
                let answered = timeout(PATIENCE, heartbeats.answer::<L>(stream)).await;
                if !matches!(answered, Ok(Ok(()))) {
                    tracing::warn!("a connection to the heartbeat port brought no heartbeat");
                }
                drop(place);
            });
        }
    }

    async fn answer<L: Listener>(&self, mut stream: L::Stream) -> io::Result<()> {
        let cid = L::origin(&mut stream).await?;
        let Some(_place) = self.place(cid) else {
            return Ok(());
        };
        if stream.read_u8().await? != HEARTBEAT_BYTE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        stream.write_all(&[HEARTBEAT_BYTE]).await?;
        let waiting = self.waiting().remove(&cid);
        if let Some(waiting) = waiting {
            let _ = waiting.sender.send(());
        }
        Ok(())
    }
}

/// A heartbeat that is waited for.
#[derive(Debug)]
pub struct Expected(oneshot::Receiver<()>);

impl Expected {
    /// Waits at most `limit` for it; whether it came.
    pub async fn arrives(self, limit: Duration) -> bool {
        matches!(timeout(limit, self.0).await, Ok(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Hub {
        dir: tempfile::TempDir,
        heartbeats: Heartbeats,
    }

    impl Hub {
        fn open() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let heartbeats = Heartbeats::default();
            let listener = HubListener::bind(dir.path()).unwrap();
            tokio::spawn(heartbeats.clone().serve(listener));
            Self { dir, heartbeats }
        }

        /// Sends these bytes and returns what comes back before the connection closes.
        async fn send(&self, bytes: &[u8]) -> Vec<u8> {
            let mut stream = UnixStream::connect(self.dir.path().join("9000.sock"))
                .await
                .unwrap();
            // Closed before it is all written, perhaps.
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            let mut back = Vec::new();
            let _ = stream.read_to_end(&mut back).await;
            back
        }
    }

    const AGES: Duration = Duration::from_secs(20);
    const AN_INSTANT: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn each_enclave_is_told_apart() {
        let hub = Hub::open();
        let (first, second) = (hub.heartbeats.expect(16), hub.heartbeats.expect(17));
        assert_eq!(hub.send(b"CID 17\n\xb7").await, [HEARTBEAT_BYTE]);
        assert!(second.arrives(AGES).await);
        assert!(!first.arrives(AN_INSTANT).await);
    }

    #[tokio::test]
    async fn a_connection_that_nobody_waits_for_is_closed_at_once() {
        let hub = Hub::open();
        drop(hub.heartbeats.expect(16));
        let expected = hub.heartbeats.expect(17);
        assert_eq!(hub.send(b"CID 17\n\xb7").await, [HEARTBEAT_BYTE]);
        assert!(expected.arrives(AGES).await);
        // Given up, heard already, never heard of.
        for cid in [16, 17, 99] {
            let preface = format!("CID {cid}\n");
            let bytes = [preface.as_bytes(), &[HEARTBEAT_BYTE]].concat();
            assert!(hub.send(&bytes).await.is_empty(), "{cid}");
        }
    }

    #[test]
    fn one_enclave_has_two_places_and_leaves_the_rest_to_others() {
        let heartbeats = Heartbeats::default();
        let _expected = [heartbeats.expect(16), heartbeats.expect(17)];
        let held = [heartbeats.place(16), heartbeats.place(16)];
        assert!(held.iter().all(Option::is_some));
        assert!(heartbeats.place(16).is_none());
        assert!(heartbeats.place(17).is_some());
        drop(held);
        assert!(heartbeats.place(16).is_some());
    }

    #[tokio::test]
    async fn hostile_prefaces_say_nothing() {
        let hub = Hub::open();
        let expected = hub.heartbeats.expect(16);
        for bytes in [
            &b""[..],
            b"\xb7",
            b"CID 16\n",
            b"CID 16\n\xb6",
            b"CID 016\n\xb7",
            b"CID -16\n\xb7",
            b"CID 16 \n\xb7",
            b"CID 99999999999999999999999999\n\xb7",
            b"cid 16\n\xb7",
            &[b'C'; 1000],
        ] {
            assert!(hub.send(bytes).await.is_empty(), "{bytes:?}");
        }
        assert!(!expected.arrives(AN_INSTANT).await);
    }

    #[tokio::test]
    async fn a_dead_daemons_socket_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        drop(HubListener::bind(dir.path()).unwrap());
        HubListener::bind(dir.path()).unwrap();
    }

    proptest::proptest! {
        #[test]
        fn a_preface_has_one_spelling(line in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..20)) {
            if let Some(cid) = parse_preface(&line) {
                assert_eq!(line, format!("CID {cid}\n").into_bytes());
            }
        }

        #[test]
        fn every_address_has_one(cid in proptest::prelude::any::<u32>()) {
            assert_eq!(parse_preface(format!("CID {cid}\n").as_bytes()), Some(cid));
        }
    }
}
