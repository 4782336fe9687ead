//! The words between host and agent, over vsock port [`crate::ports::AGENT`].
//!
//! The host connects and sends one [`Request`]; the agent answers with one [`Answer`]. After `Forward` is granted the
//! connection carries the application's bytes; after `Output` is granted it carries the application's output until
//! the enclave ends. Each word is framed as its length (u32, big-endian) and its CBOR. The host is hostile to the
//! agent and the agent to the host: both sides read with [`MAX_FRAME`] and a time limit.

use crate::canonical::{self, CanonicalError};
use minicbor::{Decode, Encode};

/// The most bytes of one framed word.
pub const MAX_FRAME: usize = 128 * 1024;
/// The most bytes of a challenge's nonce.
pub const MAX_NONCE: usize = 64;

/// What the host asks.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// The launch message ([`crate::launch::LaunchMessage`], canonical CBOR). Taken once.
    #[n(0)]
    Launch(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Asks for a statement and a document with this nonce (1 to [`MAX_NONCE`] bytes).
    #[n(1)]
    Challenge(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Asks for a connection to a TCP port of the application.
    #[n(2)]
    Forward(#[n(0)] u16),
    /// Asks for the application's output, from the oldest that is still held.
    #[n(3)]
    Output,
    /// Asks the application to end, and the enclave after it; killed after so many seconds.
    #[n(4)]
    Stop(#[n(0)] u32),
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Answer {
    /// The launch message was taken; the application's TCP ports that the host may ask for.
    #[n(0)]
    Launched(#[n(0)] Vec<u16>),
    /// A statement (canonical CBOR) and the document that carries its digest.
    #[n(1)]
    Evidence {
        /// [`crate::statement::Statement`], canonical CBOR.
        #[cbor(n(0), with = "minicbor::bytes")]
        statement: Vec<u8>,
        /// The attestation document (COSE_Sign1).
        #[cbor(n(1), with = "minicbor::bytes")]
        document: Vec<u8>,
    },
    /// `Forward`, `Output` or `Stop` is granted.
    #[n(2)]
    Granted,
    /// Refused, with a reason for people.
    #[n(3)]
    Refused(#[n(0)] Refusal, #[n(1)] String),
}

/// Why the agent refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Refusal {
    /// The request is not one.
    #[n(0)]
    Malformed,
    /// No launch message was taken yet.
    #[n(1)]
    NotLaunched,
    /// A launch message was taken already.
    #[n(2)]
    AlreadyLaunched,
    /// The port is not one of the application's.
    #[n(3)]
    NotExposed,
    /// The application does not answer there.
    #[n(4)]
    Unreachable,
    /// The agent itself failed (the secure module refused, say).
    #[n(5)]
    Internal,
}

impl Request {
    /// The framed request.
    pub fn to_frame(&self) -> Vec<u8> {
        frame(&canonical::encode(self))
    }

    /// Reads a request from a frame's content.
    pub fn decode(content: &[u8]) -> Result<Self, CanonicalError> {
        canonical::decode("request", content, MAX_FRAME)
    }
}

impl Answer {
    /// The framed answer.
    pub fn to_frame(&self) -> Vec<u8> {
        frame(&canonical::encode(self))
    }

    /// Reads an answer from a frame's content.
    pub fn decode(content: &[u8]) -> Result<Self, CanonicalError> {
        canonical::decode("answer", content, MAX_FRAME)
    }
}

/// The length of a frame's content, from its first four bytes; an error if it is over [`MAX_FRAME`].
pub fn content_length(head: [u8; 4]) -> Result<usize, CanonicalError> {
    let length = u32::from_be_bytes(head) as usize;
    if length > MAX_FRAME {
        return Err(CanonicalError::TooLong {
            what: "frame",
            found: length,
            limit: MAX_FRAME,
        });
    }
    Ok(length)
}

fn frame(content: &[u8]) -> Vec<u8> {
    let mut framed = (content.len() as u32).to_be_bytes().to_vec();
    framed.extend(content);
    framed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_as_they_are_written() {
        for request in [
            Request::Launch(vec![1, 2]),
            Request::Challenge(vec![0; 64]),
            Request::Forward(80),
            Request::Output,
            Request::Stop(5),
        ] {
            let framed = request.to_frame();
            let head = framed[..4].try_into().unwrap();
            assert_eq!(content_length(head).unwrap(), framed.len() - 4);
            assert_eq!(Request::decode(&framed[4..]).unwrap(), request);
        }
        for answer in [
            Answer::Launched(vec![80]),
            Answer::Evidence {
                statement: vec![1],
                document: vec![2],
            },
            Answer::Granted,
            Answer::Refused(Refusal::NotLaunched, "not yet".into()),
        ] {
            assert_eq!(Answer::decode(&answer.to_frame()[4..]).unwrap(), answer);
        }
    }

    #[test]
    fn a_frame_over_the_bound_is_refused_before_it_is_read() {
        assert!(content_length((MAX_FRAME as u32 + 1).to_be_bytes()).is_err());
        assert!(content_length([0xff; 4]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..512)) {
            let _ = Request::decode(&bytes);
            let _ = Answer::decode(&bytes);
        }
    }
}
