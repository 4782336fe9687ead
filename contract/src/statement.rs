//! The statement: what the agent says of its enclave, bound to an attestation document by its digest in `user_data`.

use crate::canonical::{self, CanonicalError};
use crate::id::RecordId;
use crate::launch::sha384;
use minicbor::{Decode, Encode};

/// The type that stands first in every statement.
pub const TYPE: &str = "treza/statement/1";
/// The most bytes of a statement.
pub const MAX_BYTES: usize = 8 * 1024;
/// The most bytes of [`Health::detail`].
pub const MAX_DETAIL: usize = 1024;

/// How the application is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum HealthState {
    /// It has not yet shown itself.
    #[n(0)]
    Unknown,
    /// Its probe answers, its ports are open, it runs, or, for a batch, it ended with 0.
    #[n(1)]
    Healthy,
    /// It runs after it was restarted, or missed a probe.
    #[n(2)]
    Degraded,
    /// It does not answer, or does not run.
    #[n(3)]
    Unhealthy,
}

impl HealthState {
    /// The state as it stands in the row.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Healthy => "HEALTHY",
            Self::Degraded => "DEGRADED",
            Self::Unhealthy => "UNHEALTHY",
        }
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Exit {
    /// With this exit code.
    #[n(0)]
    Code(#[n(0)] i32),
    /// By this signal.
    #[n(1)]
    Signal(#[n(0)] i32),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// The application's health as its agent sees it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Health {
    /// The state.
    #[n(0)]
    pub state: HealthState,
    /// How often the application was started again.
    #[n(1)]
    pub restarts: u32,
    /// How it last ended, if it did.
    #[n(2)]
    pub last_exit: Option<Exit>,
    /// Whether the agent has given up on the application (a batch that ended, a service that keeps failing).
    #[n(3)]
    pub ended: bool,
    /// What a person wants to know: the failed probe, the application's last lines. At most [`MAX_DETAIL`] bytes.
    #[n(4)]
    pub detail: String,
}

/// A statement. The document that goes with it carries [`Statement::user_data`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Statement {
    /// Always [`TYPE`].
    #[n(0)]
    pub kind: String,
    /// The row, from the launch message.
    #[n(1)]
    pub record_id: String,
    /// The row's generation, from the launch message.
    #[n(2)]
    pub generation: u64,
    /// [`crate::launch::LaunchMessage::digest`] of the one launch message that was taken.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub launch_digest: [u8; 48],
    /// The image's digest as the measured ramdisk names it, `sha256:…`.
    #[n(4)]
    pub image_digest: String,
    /// 16 random bytes, drawn at boot.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub boot_id: [u8; 16],
    /// Rises by at least one with each statement of a boot.
    #[n(6)]
    pub sequence: u64,
    /// The application's health.
    #[n(7)]
    pub health: Health,
    /// SHA-384 of the agent's TLS key (SubjectPublicKeyInfo), where it serves TLS.
    #[cbor(n(8), with = "minicbor::bytes")]
    pub tls_key_digest: Option<[u8; 48]>,
    /// The agent's clock, milliseconds since the epoch. Information only: an enclave has no clock to trust.
    #[n(9)]
    pub clock_ms: u64,
}

impl Statement {
    /// The statement's canonical CBOR.
    pub fn encode(&self) -> Vec<u8> {
        canonical::encode(self)
    }

    /// Reads a statement, strictly.
    pub fn decode(bytes: &[u8]) -> Result<Self, CanonicalError> {
        let statement: Self = canonical::decode("statement", bytes, MAX_BYTES)?;
        let field = |field, problem: String| CanonicalError::Field {
            what: "statement",
            field,
            problem,
        };
        if statement.kind != TYPE {
            return Err(field("type", format!("is not {TYPE}")));
        }
        RecordId::parse(&statement.record_id).map_err(|error| field("record id", error.to_string()))?;
        if statement.health.detail.len() > MAX_DETAIL {
            return Err(field(
                "health detail",
                format!("is longer than {MAX_DETAIL} bytes"),
            ));
        }
        Ok(statement)
    }

    /// What the document's `user_data` must be for this encoded statement: SHA-384 of it. (The type is part of the
    /// statement, so the hash begins with it.)
    pub fn user_data(encoded: &[u8]) -> [u8; 48] {
        sha384(encoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Statement {
        Statement {
            kind: TYPE.into(),
            record_id: "enc_1".into(),
            generation: 3,
            launch_digest: [1; 48],
            image_digest: format!("sha256:{}", "a".repeat(64)),
            boot_id: [2; 16],
            sequence: 7,
            health: Health {
                state: HealthState::Unhealthy,
                restarts: 2,
                last_exit: Some(Exit::Code(3)),
                ended: true,
                detail: "last lines".into(),
            },
            tls_key_digest: None,
            clock_ms: 1,
        }
    }

    #[test]
    fn reads_what_it_writes() {
        let mut statement = example();
        assert_eq!(Statement::decode(&statement.encode()).unwrap(), statement);
        statement.tls_key_digest = Some([9; 48]);
        statement.health.last_exit = Some(Exit::Signal(9));
        assert_eq!(Statement::decode(&statement.encode()).unwrap(), statement);
    }

    #[test]
    fn no_flipped_bit_reads_as_the_same_statement() {
        let good = example();
        let bytes = good.encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = Statement::decode(&flipped) {
                assert_ne!(read, good);
            }
        }
    }

    #[test]
    fn bounds_are_kept() {
        let mut statement = example();
        statement.health.detail = "x".repeat(MAX_DETAIL + 1);
        assert!(Statement::decode(&statement.encode()).is_err());
        assert!(Statement::decode(&vec![0; MAX_BYTES + 1]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..512)) {
            let _ = Statement::decode(&bytes);
            let _ = crate::launch::LaunchMessage::decode(&bytes);
        }
    }
}
