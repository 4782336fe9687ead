//! Why a step of the pipeline could not be done.

use contract::Fault;
use contract::fault;

/// Why a step could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tables do not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Others kept changing the row.
    #[error("row {0} changed again and again while it was being written")]
    Contended(String),
    /// What another try may mend.
    #[error("{0}")]
    Passing(String),
    /// What no other try mends: the reason for the row, with the mend.
    #[error("{0}")]
    Final(String),
}

impl Error {
    /// Whether another try may help.
    pub fn passes(&self) -> bool {
        match self {
            Self::Store(error) => error.is_passing(),
            Self::Contended(_) | Self::Passing(_) => true,
            Self::Final(_) => false,
        }
    }
}

impl From<Vec<Fault>> for Error {
    fn from(faults: Vec<Fault>) -> Self {
        Self::Final(fault::describe(&faults))
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Final(fault.to_string())
    }
}
