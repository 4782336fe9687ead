use std::io;
use std::path::PathBuf;

use aws_nitro_enclaves_nsm_api::api::ErrorCode;

/// Why a request to a secure module got no usable answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The device file cannot be opened.
    #[error(
        "cannot open {}: {source}; it is there only inside an enclave, for a process that may use it",
        path.display()
    )]
    Open {
        /// The device file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The stream to a remote module failed, or its time ran out.
    #[error("the stream to the security module failed: {0}; open a new one")]
    Stream(#[from] io::Error),
    /// An earlier exchange failed, so what comes next on the stream may belong to it.
    #[error("the stream to the security module was given up after a failed exchange; open a new one")]
    Closed,
    /// A message longer than the module allows.
    #[error("a {what} of {length} bytes exceeds the security module's limit of {limit}")]
    TooLong {
        /// "request" or "response".
        what: &'static str,
        /// Its length, or the length that its sender announced.
        length: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// A message that is not the CBOR of a request or a response.
    #[error("a {what} is not what the NSM API defines: {reason}")]
    Malformed {
        /// "request" or "response".
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The module answered with an error code of its own.
    #[error("the security module refused {request}: {code:?}")]
    Refused {
        /// The request's name.
        request: &'static str,
        /// The module's reason.
        code: ErrorCode,
    },
    /// The module answered another question than the one it was asked.
    #[error("the security module's answer does not answer {request}; it is faulty or not a security module")]
    Unexpected {
        /// The request's name.
        request: &'static str,
    },
}
