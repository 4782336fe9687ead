//! The crate's one error, of the errors of its parts.
use std::{io, path::PathBuf};

use crate::{bundle, eif, image, output, rootfs};

/// Why an image, bundle or EIF cannot be used, made or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image is refused or cannot be had.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// The image's layers are refused.
    #[error(transparent)]
    Rootfs(#[from] rootfs::Error),
    /// The image says nothing to start.
    #[error("image without entrypoint: it has neither ENTRYPOINT nor CMD; set one")]
    NoEntrypoint,
    /// The image's configuration is not usable.
    #[error(transparent)]
    Description(#[from] contract::image::ImageError),
    /// The bundle.
    #[error(transparent)]
    Bundle(#[from] bundle::Error),
    /// The EIF.
    #[error("{}: {source}", path.display())]
    Eif {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: eif::Error,
    },
    /// Certificate and key are not for signing.
    #[error("{} with {}: {source}", certificate.display(), key.display())]
    Signer {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file, or its ARN.
        key: PathBuf,
        /// What is wrong with them.
        source: eif::Error,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The output.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// What was asked for cannot be.
    #[error("{0}")]
    Argument(String),
    /// The build itself ended without a result.
    #[error("the build was cut off: {0}")]
    Interrupted(String),
}

impl Error {
    /// Whether an input is refused for what it is; otherwise something could not be done, and may succeed later.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Image(error) => !matches!(
                error,
                image::Error::Unreachable { .. }
                    | image::Error::NotFound { .. }
                    | image::Error::Unauthorized { .. }
                    | image::Error::Registry { .. }
                    | image::Error::Timeout { .. }
                    | image::Error::Credentials { .. }
                    | image::Error::InUse { .. }
                    | image::Error::CacheFolder { .. }
                    | image::Error::File { .. }
            ),
            Self::Rootfs(error) => !matches!(error, rootfs::Error::Io(_)),
            Self::NoEntrypoint | Self::Description(_) | Self::Argument(_) => true,
            Self::Output(error) => matches!(error, output::Error::Refused { .. }),
            Self::Bundle(error) => matches!(
                error,
                bundle::Error::Damaged { .. }
                    | bundle::Error::Manifest { .. }
                    | bundle::Error::Archive { .. }
                    | bundle::Error::BuilderFormat { .. }
                    | bundle::Error::Output(output::Error::Refused { .. })
            ),
            Self::Eif { source, .. } | Self::Signer { source, .. } => {
                !matches!(source, eif::Error::Io(_) | eif::Error::Key(_))
            }
            Self::File { .. } | Self::Interrupted(_) => false,
        }
    }
}
