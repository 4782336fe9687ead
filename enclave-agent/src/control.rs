//! The control port: the host asks, the agent answers. The words are [`contract::agent`]'s.

use crate::agent::{Agent, End, Refused};
use crate::forward;
use contract::CanonicalError;
use contract::agent::{Answer, Refusal, Request, content_length};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};
use tokio_vsock::VsockListener;

/// How long the host may take to send a request, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the host may take to close a connection whose answer is the last before the enclave's end.
const LINGER: Duration = Duration::from_secs(1);
/// The longest grace that the host can give the application.
const LONGEST_GRACE: Duration = Duration::from_secs(60);
/// After a connection that could not be accepted (too many open files, say).
const PAUSE: Duration = Duration::from_millis(5);
/// Whom a vsock connection can come from that is not the enclave itself: hypervisor, host, and Nitro's parent.
const HOST_CIDS: [u32; 3] = [0, 2, 3];

/// Answers the host's connections to `listener`. Those of the enclave's own programs (over vsock's loopback) are
/// closed: the application is not the host.
pub async fn listen(agent: Arc<Agent>, listener: VsockListener) -> Infallible {
    loop {
        let admitted = agent.admit().await;
        match listener.accept().await {
            Ok((stream, peer)) if HOST_CIDS.contains(&peer.cid()) => {
                tokio::spawn(converse(agent.clone(), stream, admitted));
            }
            Ok(_) => {}
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Why no request could be read.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The connection broke or ended.
    #[error("the connection ended within a request: {0}")]
    Connection(#[from] io::Error),
    /// Not a request.
    #[error("{0}")]
    Malformed(#[from] CanonicalError),
}

/// Reads one framed request.
pub async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Result<Request, RequestError> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let mut content = vec![0; content_length(head)?];
    stream.read_exact(&mut content).await?;
    Ok(Request::decode(&content)?)
}

/// Reads one request from `stream` and answers it. `admitted` is [`Agent::admit`]'s.
pub async fn converse<S>(agent: Arc<Agent>, mut stream: S, admitted: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer = match timeout(PATIENCE, read_request(&mut stream)).await {
        Ok(Ok(Request::Forward(port))) => return forward_to(&agent, stream, port, admitted).await,
        Ok(Ok(Request::Output)) => return show_output(&agent, stream, admitted).await,
        Ok(Ok(Request::Stop(seconds))) => {
            let grace = LONGEST_GRACE.min(Duration::from_secs(seconds.into()));
            return last_answer(&agent, stream, Answer::Granted, End::Asked(grace)).await;
        }
        Ok(Ok(Request::Launch(message))) => match agent.launch(&message).await {
            Ok(ports) => Answer::Launched(ports),
            Err(error) if error.is_final() => {
                let end = End::LaunchFailed(error.to_string());
                return last_answer(&agent, stream, Refused::from(&error).into(), end).await;
            }
            Err(error) => Refused::from(&error).into(),
        },
        Ok(Ok(Request::Challenge(nonce))) => agent.evidence(nonce).await.unwrap_or_else(Answer::from),
        Ok(Err(RequestError::Malformed(error))) => Refused::new(Refusal::Malformed, error).into(),
        // Nobody is there to be answered.
        Ok(Err(RequestError::Connection(_))) | Err(_) => return,
    };
    let _ = send(&mut stream, answer).await;
}

/// Sends an answer, within the time limit.
async fn send(stream: &mut (impl AsyncWrite + Unpin), answer: Answer) -> io::Result<()> {
    timeout(PATIENCE, stream.write_all(&answer.to_frame())).await?
}

async fn forward_to<S>(agent: &Agent, mut stream: S, port: u16, admitted: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let granted = async {
        if !agent.launched()?.ports.contains(&port) {
            let reason = format!("port {port} is neither in the launch message nor exposed by the image");
            return Err(Refused::new(Refusal::NotExposed, reason));
        }
        Ok((agent.admit_stream()?, forward::connect(port).await?))
    };
    match granted.await {
        Ok((_permit, mut application)) => {
            if send(&mut stream, Answer::Granted).await.is_ok() {
                drop(admitted);
                forward::join(&mut stream, &mut application).await;
            }
        }
        Err(refused) => drop(send(&mut stream, refused.into()).await),
    }
}

async fn show_output<S>(agent: &Agent, mut stream: S, admitted: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let granted = agent
        .launched()
        .and_then(|launched| Ok((agent.admit_stream()?, launched.application.output())));
    match granted {
        Ok((_permit, output)) => {
            if send(&mut stream, Answer::Granted).await.is_ok() {
                drop(admitted);
                forward::stream_output(&mut stream, output).await;
                linger(stream).await;
            }
        }
        Err(refused) => drop(send(&mut stream, refused.into()).await),
    }
}

/// Sends an answer and sees it arrive before the enclave is told to end.
async fn last_answer<S>(agent: &Agent, mut stream: S, answer: Answer, end: End)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if send(&mut stream, answer).await.is_ok() {
        linger(stream).await;
    }
    agent.end(end);
}

/// Ends our side and waits a moment for the host to end its own: a machine that stops takes with it what is on its
/// way.
async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let farewell = async {
        stream.shutdown().await?;
        while stream.read(&mut [0; 64]).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = timeout(LINGER, farewell).await;
}

#[cfg(test)]
mod tests;
