//! Why a command could not do what it was asked.

use contract::fault::{Fault, describe};
use std::process::ExitCode;

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the user gave is refused.
    #[error("{0}")]
    Refused(String),
    /// It could not be done.
    #[error("{0}")]
    CouldNot(String),
    /// The local pipeline.
    #[error(transparent)]
    Local(#[from] crate::local::Error),
    /// The tables.
    #[error(
        "{0}; does the pipeline run (`treza local up`; in AWS `treza cloud status`), and are --environment, --region, --table and \
         credentials right?"
    )]
    Store(#[from] store::Error),
}

impl From<Vec<Fault>> for Error {
    fn from(faults: Vec<Fault>) -> Self {
        Self::Refused(describe(&faults))
    }
}

impl Error {
    /// 2 for what is refused, 1 for the rest.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Refused(_) => 2,
            _ => 1,
        })
    }

    /// Prints the error: to standard error, or as a JSON object to standard output.
    pub(super) fn print(&self, json: bool) {
        if json {
            println!("{}", serde_json::json!({ "error": self.to_string() }));
        } else {
            eprintln!("treza: {self}");
        }
    }
}
