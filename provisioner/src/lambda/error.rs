//! Why a call could not be answered, as state machines tell it apart.

use crate::aws::settings;
use crate::pipeline;
use lambda_runtime::Diagnostic;

/// Why a call could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pipeline could not.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// The function was told what it cannot work with.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// It was called with, or set to, what it does not know.
    #[error("{0}")]
    Event(String),
}

impl Error {
    /// The name that state machines retry or catch by.
    fn name(&self) -> &'static str {
        match self {
            Self::Pipeline(error) if error.passes() => "Treza.Passing",
            Self::Pipeline(_) => "Treza.Final",
            Self::Settings(_) | Self::Event(_) => "Treza.Configuration",
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Pipeline(error.into())
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self {
            error_type: error.name().into(),
            error_message: error.to_string(),
        }
    }
}
