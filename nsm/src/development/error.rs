use std::io;
use std::path::PathBuf;

/// Why the development CA or a module of it cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the CA cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried: "read", "write", "lock", …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the CA does not hold what it should.
    #[error(
        "{} is not usable: {reason}; remove dev-root.pem and dev-root.key to have a new development root \
         made (documents under the old one then no longer verify)",
        path.display()
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Others than its owner can read the CA's key.
    #[error(
        "{} is open to others (mode {mode:o}), who may have copied it; remove it and dev-root.pem to have a \
         new development root made",
        path.display()
    )]
    Exposed {
        /// The key's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A module id that no NSM has.
    #[error("{0:?} is no module id; it is i-<17 hex digits>-enc<16 hex digits>")]
    ModuleId(String),
    /// An instance id that EC2 does not give.
    #[error("{0:?} is no instance id; it is i-<17 hex digits>")]
    InstanceId(String),
    /// A certificate cannot be made.
    #[error("cannot make a development certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The cryptographic library failed; it does not say why.
    #[error(
        "cannot make keys or random numbers for the development module: the cryptographic library failed"
    )]
    Cryptography,
}

impl From<aws_lc_rs::error::Unspecified> for Error {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Cryptography
    }
}

impl From<aws_lc_rs::error::KeyRejected> for Error {
    fn from(_: aws_lc_rs::error::KeyRejected) -> Self {
        Self::Cryptography
    }
}
