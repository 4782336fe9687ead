//! The agent's words ([`contract::agent`]), from the host's side. The enclave is hostile: each answer is bounded
//! before it is read and waited for no longer than the caller says.

use contract::agent::{Answer, Refusal, Request, content_length};
use contract::fault::printable;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Why there is no answer to use.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// It could not be reached, or the connection broke.
    #[error("not reached: {0}")]
    Io(#[from] io::Error),
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The answer is not one.
    #[error("not an answer: {0}")]
    Malformed(#[from] contract::CanonicalError),
    /// It refuses.
    #[error("refused ({0:?}): {1}")]
    Refused(Refusal, String),
    /// An answer to another question.
    #[error("an answer to another question")]
    Unexpected,
}

/// Asks one thing over a fresh connection and waits at most `limit` for the whole answer. A refusal is an error.
pub async fn ask<S>(stream: &mut S, request: &Request, limit: Duration) -> Result<Answer, AgentError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let exchange = async {
        stream.write_all(&request.to_frame()).await?;
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        let mut content = vec![0; content_length(head)?];
        stream.read_exact(&mut content).await?;
        Ok(Answer::decode(&content)?)
    };
    match timeout(limit, exchange).await {
        Err(_) => Err(AgentError::TimedOut(limit)),
        Ok(Err(error)) => Err(error),
        Ok(Ok(Answer::Refused(refusal, reason))) => {
            Err(AgentError::Refused(refusal, printable(&reason, 300)))
        }
        Ok(Ok(answer)) => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::agent::MAX_FRAME;

    /// An agent that answers with these bytes, whatever it is asked.
    async fn answered(bytes: Vec<u8>) -> Result<Answer, AgentError> {
        let (mut host, mut guest) = tokio::io::duplex(1 << 20);
        guest.write_all(&bytes).await.unwrap();
        drop(tokio::spawn(async move {
            let mut sink = Vec::new();
            guest.read_to_end(&mut sink).await
        }));
        ask(&mut host, &Request::Output, Duration::from_millis(50)).await
    }

    #[tokio::test]
    async fn takes_an_answer() {
        let frame = Answer::Launched(vec![80]).to_frame();
        assert_eq!(answered(frame).await.unwrap(), Answer::Launched(vec![80]));
    }

    #[tokio::test]
    async fn a_hostile_agent_gets_no_memory_and_no_time() {
        let over = (MAX_FRAME as u32 + 1).to_be_bytes().to_vec();
        assert!(matches!(answered(over).await, Err(AgentError::Malformed(_))));
        assert!(matches!(answered(vec![0, 0]).await, Err(AgentError::TimedOut(_))));
        assert!(matches!(
            answered(vec![0, 0, 0, 1, 0xff]).await,
            Err(AgentError::Malformed(_))
        ));
        let refused = Answer::Refused(Refusal::Internal, "\u{1b}[2J".repeat(1000)).to_frame();
        let error = answered(refused).await.unwrap_err().to_string();
        assert!(error.len() < 1000 && !error.contains('\u{1b}'), "{error}");
    }
}
