//! What can go wrong with the tables.

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata};
use contract::Fault;
use contract::fault::causes;

/// Why a table or an object could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// the service refused, or was not reached
    #[error("{doing}: {problem}")]
    Service {
        /// What was asked: `get row enc_1 of enclaves`.
        doing: String,
        /// The service's answer.
        problem: String,
        /// The service's error code, where it answered.
        code: Option<String>,
    },
    /// an item that does not read
    #[error("{0}")]
    Item(#[from] Fault),
    /// an object that cannot be fetched
    #[error("{uri}: {problem}")]
    Object {
        /// Which.
        uri: String,
        /// Why, and the mend.
        problem: String,
    },
}

/// The most characters of an SDK's error and its causes.
pub(crate) const MAX_CAUSES: usize = 500;

impl Error {
    pub(crate) fn service<E>(doing: String) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata,
    {
        move |error| Self::Service {
            doing,
            code: error.code().map(str::to_owned),
            problem: causes(&error, MAX_CAUSES),
        }
    }

    /// A table's definition that lacks something.
    pub(crate) fn definition(error: BuildError) -> Self {
        Self::Service {
            doing: "define a table".into(),
            problem: error.to_string(),
            code: None,
        }
    }

    /// Whether the same call may succeed later: the service was not reached, was throttling, or failed in itself.
    pub fn is_passing(&self) -> bool {
        const FINAL: [&str; 5] = [
            "ValidationException",
            "AccessDeniedException",
            "ResourceNotFoundException",
            "UnrecognizedClientException",
            "ItemCollectionSizeLimitExceededException",
        ];
        match self {
            Self::Service { code, .. } => !code.as_deref().is_some_and(|code| FINAL.contains(&code)),
            Self::Item(_) | Self::Object { .. } => false,
        }
    }
}
