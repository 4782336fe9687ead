//! A challenge to an enclave, and its evidence, held against what the row expects.

use crate::Error;
use crate::agent::{self, AgentError};
use crate::decide::Assignment;
use attestation::Root;
use client::Expectation;
use client::evidence::verify;
use contract::agent::{Answer, Request};
use contract::fault::describe;
use contract::row::Expected;
use contract::statement::Statement;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};

/// How long the agent may take to answer a challenge.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Evidence that met the row's expectation.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The statement, canonical CBOR.
    pub statement: Vec<u8>,
    /// The document.
    pub document: Vec<u8>,
    /// The statement, read.
    pub said: Statement,
}

/// Challenges the agent at the other end of `stream` with the challenge in `expected`, which is of the assignment's
/// launch, and verifies what it answers.
pub async fn take<S>(
    stream: &mut S,
    assignment: &Assignment,
    expected: &Expected,
    roots: &[Root],
) -> Result<Evidence, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let expectation = expectation(assignment, expected)?;
    let nonce = expectation.nonces.first().cloned().unwrap_or_default();
    let asked = |source| Error::Agent {
        asked: "for evidence",
        source,
    };
    let answer = agent::ask(stream, &Request::Challenge(nonce), ANSWER_LIMIT)
        .await
        .map_err(asked)?;
    let Answer::Evidence { statement, document } = answer else {
        return Err(asked(AgentError::Unexpected));
    };
    let verified = verify(&statement, &document, &expectation, roots, SystemTime::now())
        .map_err(|refusal| Error::Evidence(refusal.to_string()))?;
    Ok(Evidence {
        statement,
        document,
        said: verified.statement,
    })
}

/// What the pipeline worked out, and of its challenges the present one alone: it is the one that is asked with.
fn expectation(assignment: &Assignment, expected: &Expected) -> Result<Expectation, Error> {
    let present = Expected {
        previous_challenge: None,
        ..expected.clone()
    };
    let expectation = Expectation::of(&present, &assignment.id).map_err(|faults| {
        Error::Evidence(format!(
            "the row's expectation does not read: {}",
            describe(&faults)
        ))
    })?;
    Ok(Expectation {
        allow_debug: assignment.request.debug,
        ..expectation
    })
}
