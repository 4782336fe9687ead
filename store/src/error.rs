//! What can go wrong with the tables.

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata};
use contract::Fault;
use contract::fault::printable;

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

/// An error of the SDK with its causes, which alone name the reason. Not its `DisplayErrorContext`: that shows whole
/// answers, and they may be anyone's.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    printable(&text, MAX_CAUSES)
}

/// The most characters of them that are kept.
const MAX_CAUSES: usize = 500;

impl Error {
    pub(crate) fn service<E>(doing: String) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata,
    {
        move |error| Self::Service {
            doing,
            code: error.code().map(str::to_owned),
            problem: causes(&error),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("dispatch failure")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_are_told_without_what_only_a_programmer_reads() {
        let outer = |said: &str| Outer(std::io::Error::other(said));
        assert_eq!(
            causes(&outer("nobody listens")),
            "dispatch failure: nobody listens"
        );
        let long = causes(&outer(&"\u{1b}[31m".repeat(1000)));
        assert!(
            long.chars().count() <= MAX_CAUSES + 1 && !long.contains('\u{1b}'),
            "{long}"
        );
    }
}
