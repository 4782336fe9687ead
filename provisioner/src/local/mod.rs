//! The whole pipeline on one machine: DynamoDB in the process ([`database`]), its [`streams`], the [`runner`] that
//! feeds them to the pipeline's functions, the host daemon under [`supervise`], all in one [`state`] directory.

mod daemon;
pub mod database;
mod host;
pub mod port_owner;
mod programs;
pub mod runner;
pub mod state;
pub mod streams;
mod supervise;

pub use daemon::{Ended, Options, application_log, down, up, up_foreground};

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long what ends may take to end in good order.
const GRACE: Duration = Duration::from_secs(10);

/// Why the local pipeline cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No state directory.
    #[error("no state directory: set TREZA_STATE_DIR or HOME, or give --state-dir")]
    NoStateDir,
    /// Sockets live below it, and their paths are short.
    #[error("the state directory {} has {} bytes, at most {} are taken (sockets live below it): give a shorter --state-dir", .0.display(), .0.as_os_str().len(), state::MAX_PATH)]
    StateDirTooLong(PathBuf),
    /// Another pipeline uses the state directory.
    #[error("a local pipeline runs already on {}: end it with `treza local down`, or give another --state-dir", .0.display())]
    AlreadyUp(PathBuf),
    /// No pipeline uses it.
    #[error("no local pipeline runs on {}: start it with `treza local up`", .0.display())]
    NotUp(PathBuf),
    /// Another program listens on the port.
    #[error(
        "port {port} of 127.0.0.1 is taken{owner} ({source}): end that program, or give --dynamodb-port N"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// ` by NAME (pid N)`, or nothing where it is not ours to see.
        owner: String,
        /// What the kernel says.
        source: io::Error,
    },
    /// Something that must be installed is not.
    #[error("{what} is missing: {mend}")]
    Missing {
        /// What is missing.
        what: String,
        /// What to install.
        mend: &'static str,
    },
    /// A file or a program.
    #[error("cannot {doing} {}: {source}", .path.display())]
    File {
        /// What was to be done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The database.
    #[error("the database: {0}")]
    Database(String),
    /// The tables in it.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The pipeline at its start.
    #[error(transparent)]
    Pipeline(#[from] crate::pipeline::Error),
    /// The development CA.
    #[error("the development CA: {0}")]
    Authority(#[from] nsm::development::Error),
    /// The pipeline in the background did not come up.
    #[error("the pipeline did not come up; its log ({}) ends:\n{tail}", .log.display())]
    NotReady {
        /// The log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// The pipeline did not end in time.
    #[error(
        "the pipeline (pid {0}) did not end in time and was killed: look for what it left with `treza-host list`"
    )]
    Killed(i32),
}

impl Error {
    fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            doing,
            path: path.to_owned(),
            source,
        }
    }

    fn database(error: dynoxide::DynoxideError) -> Self {
        Self::Database(error.to_string())
    }
}
