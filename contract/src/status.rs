//! The state machine of a row.

use crate::fault::printable;
use std::fmt;

/// The status of a row. Clients write the *requests* (PENDING_DEPLOY, PENDING_DESTROY, PAUSING, RESUMING); the
/// pipeline writes all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// A client asks for an enclave.
    PendingDeploy,
    /// The pipeline is at it.
    Deploying,
    /// Evidence of the running enclave was verified.
    Deployed,
    /// A client asks for the end.
    PendingDestroy,
    /// The enclave is being ended.
    Destroying,
    /// Nothing of it runs.
    Destroyed,
    /// It could not be; `statusReason` says why.
    Failed,
    /// A client asks for a pause.
    Pausing,
    /// The enclave is stopped; the row may be resumed.
    Paused,
    /// A client asks for the enclave to run again.
    Resuming,
}

/// Every status, in the order of a row's life.
pub const ALL: [Status; 10] = [
    Status::PendingDeploy,
    Status::Deploying,
    Status::Deployed,
    Status::Pausing,
    Status::Paused,
    Status::Resuming,
    Status::PendingDestroy,
    Status::Destroying,
    Status::Destroyed,
    Status::Failed,
];

/// What a client may write there.
pub(crate) const MEND: &str =
    "write PENDING_DEPLOY, PENDING_DESTROY, PAUSING or RESUMING; all others are the pipeline's";

/// unknown status {0:?}
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown status {0:?}: {MEND}")]
pub struct UnknownStatus(String);

impl Status {
    /// The status as it stands in the row.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PendingDeploy => "PENDING_DEPLOY",
            Self::Deploying => "DEPLOYING",
            Self::Deployed => "DEPLOYED",
            Self::PendingDestroy => "PENDING_DESTROY",
            Self::Destroying => "DESTROYING",
            Self::Destroyed => "DESTROYED",
            Self::Failed => "FAILED",
            Self::Pausing => "PAUSING",
            Self::Paused => "PAUSED",
            Self::Resuming => "RESUMING",
        }
    }

    /// Reads a status as it stands in a row.
    pub fn parse(text: &str) -> Result<Self, UnknownStatus> {
        ALL.into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownStatus(printable(text, 64)))
    }

    /// Whether clients write it to ask for something; entering it raises the generation.
    pub fn is_request(self) -> bool {
        matches!(
            self,
            Self::PendingDeploy | Self::PendingDestroy | Self::Pausing | Self::Resuming
        )
    }

    /// Whether a row in this status, once it is assigned, has a running enclave.
    pub fn wants_enclave(self) -> bool {
        matches!(self, Self::Deploying | Self::Deployed | Self::Resuming)
    }

    /// Whether the pipeline is still to act on it: what a watcher waits out and a monitor may find stuck.
    pub fn is_transient(self) -> bool {
        !matches!(
            self,
            Self::Deployed | Self::Destroyed | Self::Failed | Self::Paused
        )
    }

    /// Whether the pipeline may take a row from here to `next`.
    pub fn may_become(self, next: Self) -> bool {
        use Status::*;
        match next {
            Failed => !matches!(self, Destroyed | Failed),
            Deploying => self == PendingDeploy,
            Deployed => matches!(self, Deploying | Resuming),
            Destroying => self == PendingDestroy,
            Destroyed => self == Destroying,
            Paused => self == Pausing,
            PendingDeploy | PendingDestroy | Pausing | Resuming => false,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_reads_as_it_is_written() {
        for status in ALL {
            assert_eq!(Status::parse(status.as_str()), Ok(status));
        }
        assert!(Status::parse("pending_deploy").is_err());
        assert!(Status::parse("DEPLOYED ").is_err());
    }

    #[test]
    fn the_pipeline_never_writes_a_request() {
        for from in ALL {
            for to in ALL.into_iter().filter(|to| to.is_request()) {
                assert!(!from.may_become(to), "{from} to {to}");
            }
        }
    }
}
