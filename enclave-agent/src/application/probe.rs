//! Asking the application whether it is well.

use contract::launch::Probe;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two probes until the first that succeeds.
pub(super) const WHILE_STARTING: Duration = Duration::from_millis(100);
/// Between two connections, where the application has ports but no probe.
const CONNECTION_INTERVAL: Duration = Duration::from_secs(30);
/// An application without ports that runs so long is well.
const SETTLED: Duration = Duration::from_millis(500);
/// What is read of an answer: its status line is in there.
const STATUS_LINE: u64 = 256;

/// How the application is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    /// HTTP GET of a path.
    Http {
        port: u16,
        path: String,
        interval: Duration,
    },
    /// A TCP connection.
    Connection { port: u16 },
    /// It runs.
    Running,
}

impl Check {
    /// The check for an application with these `ports`; the first of them is asked.
    pub(super) fn new(probe: Option<&Probe>, ports: &[u16]) -> Self {
        match (ports.first(), probe) {
            (None, _) => Self::Running,
            (Some(&port), None) => Self::Connection { port },
            (Some(&port), Some(probe)) => Self::Http {
                port,
                path: probe.path.clone(),
                interval: Duration::from_secs(probe.interval_seconds.into()),
            },
        }
    }

    /// Between two probes of an application that has answered once.
    pub(super) fn interval(&self) -> Duration {
        match self {
            Self::Http { interval, .. } => *interval,
            Self::Connection { .. } | Self::Running => CONNECTION_INTERVAL,
        }
    }

    /// Asks once, within a time limit; the error says what is wrong, for people.
    pub(super) async fn ask(&self) -> Result<(), String> {
        let (asked, name) = match self {
            Self::Http { port, path, .. } => (
                timeout(PATIENCE, get(*port, path)).await,
                format!("GET {path} on port {port}"),
            ),
            Self::Connection { port } => {
                let connect = async { connect(*port).await.map(drop) };
                (
                    timeout(PATIENCE, connect).await,
                    format!("a connection to port {port}"),
                )
            }
            Self::Running => {
                tokio::time::sleep(SETTLED).await;
                return Ok(());
            }
        };
        match asked {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("{name}: {error}")),
            Err(_) => Err(format!("{name}: no answer within {} seconds", PATIENCE.as_secs())),
        }
    }
}

/// Connects to a port of the application.
async fn connect(port: u16) -> io::Result<TcpStream> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await
}

async fn get(port: u16, path: &str) -> io::Result<()> {
    let mut stream = connect(port).await?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: treza\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let mut stream = stream.take(STATUS_LINE);
    while !answer.contains(&b'\n') && stream.read_buf(&mut answer).await? > 0 {}
    match status(&answer) {
        Some(200..=399) => Ok(()),
        Some(status) => Err(io::Error::other(format!("status {status}"))),
        None => Err(io::Error::other("the answer is not HTTP")),
    }
}

/// The status code of `HTTP/1.1 200 …`.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    words.next()?.strip_prefix("HTTP/1.")?;
    words.next().filter(|code| code.len() == 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A server that gives `answer` to whatever is asked, and the question that it got.
    async fn asked(answer: &'static [u8]) -> (Result<(), String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = vec![0; 1024];
            let length = stream.read(&mut question).await.unwrap();
            let _ = stream.write_all(answer).await;
            String::from_utf8(question[..length].to_vec()).unwrap()
        });
        let check = Check::Http {
            port,
            path: "/health?x=1".into(),
            interval: PATIENCE,
        };
        (check.ask().await, server.await.unwrap())
    }

    #[tokio::test]
    async fn two_and_three_hundreds_are_well() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\n\r\n"[..],
            b"HTTP/1.0 302 Found\r\n\r\n",
            b"HTTP/1.1 204\r\n",
        ] {
            let (outcome, question) = asked(answer).await;
            assert_eq!(outcome, Ok(()));
            assert!(
                question.starts_with("GET /health?x=1 HTTP/1.1\r\nHost: localhost\r\n"),
                "{question}"
            );
        }
    }

    #[tokio::test]
    async fn anything_else_is_not() {
        for (answer, reason) in [
            (&b"HTTP/1.1 503 Busy\r\n\r\n"[..], "status 503"),
            (b"SSH-2.0-x\r\n", "not HTTP"),
            (b"", "not HTTP"),
            (b"HTTP/1.1 2000 x\r\n", "not HTTP"),
            (&[b'x'; 100_000], "not HTTP"),
        ] {
            let (outcome, _) = asked(answer).await;
            assert!(
                outcome.as_ref().is_err_and(|error| error.contains(reason)),
                "{outcome:?}"
            );
        }
        let closed = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        assert!(
            Check::Connection { port: closed }
                .ask()
                .await
                .unwrap_err()
                .contains(&closed.to_string())
        );
    }

    #[tokio::test]
    async fn a_port_is_enough_without_a_probe() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let check = Check::new(None, &[listener.local_addr().unwrap().port()]);
        assert_eq!(check.ask().await, Ok(()));
        assert_eq!(Check::new(None, &[]), Check::Running);
    }

    proptest::proptest! {
        #[test]
        fn hostile_answers_never_panic(answer: Vec<u8>) {
            let _ = status(&answer);
        }
    }
}
