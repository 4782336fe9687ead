//! Connections that carry the application's bytes: to its ports, and its output.

use crate::agent::Refused;
use crate::application::Reader;
use contract::agent::Refusal;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the application may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is held in each direction of a connection; a side that does not read stops the other.
const BUFFER: usize = 64 * 1024;

/// Connects to the application's `port`.
pub(crate) async fn connect(port: u16) -> Result<TcpStream, Refused> {
    match timeout(PATIENCE, TcpStream::connect((Ipv4Addr::LOCALHOST, port))).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(Refused::new(
            Refusal::Unreachable,
            format!("port {port}: {error}"),
        )),
        Err(_) => Err(Refused::new(
            Refusal::Unreachable,
            format!("port {port}: no answer"),
        )),
    }
}

/// Carries bytes both ways until both sides have ended theirs, or one breaks.
pub async fn join(host: &mut (impl AsyncRead + AsyncWrite + Unpin), application: &mut TcpStream) {
    // Small answers must not wait for more. What breaks ends both sides, and so says all there is to say.
    let _ = application.set_nodelay(true);
    let _ = copy_bidirectional_with_sizes(host, application, BUFFER, BUFFER).await;
}

/// Carries the application's output to the host, until either ends.
pub(crate) async fn stream_output(host: &mut (impl AsyncRead + AsyncWrite + Unpin), mut output: Reader) {
    let (mut from_host, mut to_host) = tokio::io::split(host);
    let carry = async {
        while let Some(chunk) = output.next().await {
            to_host.write_all(&chunk).await?;
        }
        io::Result::Ok(())
    };
    tokio::select! {
        _ = carry => {}
        // The host has nothing to say here: whatever it sends, it is its end.
        _ = from_host.read_u8() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// The two ends of a forwarded connection.
    async fn forwarded() -> (tokio::net::UnixStream, TcpStream) {
        let (host, mut agent) = tokio::net::UnixStream::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut connection = connect(listener.local_addr().unwrap().port()).await.unwrap();
        let (application, _) = listener.accept().await.unwrap();
        tokio::spawn(async move { join(&mut agent, &mut connection).await });
        (host, application)
    }

    #[tokio::test]
    async fn a_side_that_has_ended_still_hears_the_other() {
        let (mut host, mut application) = forwarded().await;
        host.write_all(b"question").await.unwrap();
        host.shutdown().await.unwrap();
        let mut question = String::new();
        application.read_to_string(&mut question).await.unwrap();
        assert_eq!(question, "question");
        application.write_all(b"answer").await.unwrap();
        drop(application);
        let mut answer = String::new();
        host.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
    }

    #[tokio::test]
    async fn megabytes_pass_both_ways_at_once() {
        let (host, application) = forwarded().await;
        let sent: Vec<u8> = (0..4 << 20).map(|i: u32| (i / 7) as u8).collect();
        let exchange = |stream: Box<dyn Both>| {
            let sent = sent.clone();
            async move {
                let (mut read, mut write) = tokio::io::split(stream);
                let send = async {
                    write.write_all(&sent).await.unwrap();
                    write.shutdown().await.unwrap();
                };
                let mut received = Vec::new();
                let (_, outcome) = tokio::join!(send, read.read_to_end(&mut received));
                outcome.unwrap();
                assert!(received == sent);
            }
        };
        tokio::join!(exchange(Box::new(host)), exchange(Box::new(application)));
    }

    trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
    impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

    #[tokio::test]
    async fn a_closed_port_is_unreachable() {
        let port = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        assert_eq!(connect(port).await.unwrap_err().refusal, Refusal::Unreachable);
    }
}
