use std::io;
use std::path::{Path, PathBuf};

/// Why the host could not do what it was asked. The text goes into a row's reason, so it says what, where and the
/// mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A call of the operating system failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, and where.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file that a person writes cannot be used.
    #[error("{path}: {problem}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and the mend.
        problem: String,
    },
    /// A file of the state directory does not read as this program wrote it.
    #[error("{path} is damaged ({problem}): end what runs with `treza-host stop --all` and remove it")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where reading it ended.
        problem: String,
    },
    /// Another daemon uses the state directory.
    #[error("{0} is in use by another daemon: stop that one, or give this one a state_dir of its own")]
    InUse(PathBuf),
    /// The state directory's path leaves no room for the sockets in it.
    #[error("{path} is too long a path for a state directory: its sockets need one of at most {limit} bytes")]
    PathTooLong {
        /// The state directory.
        path: PathBuf,
        /// The longest that will do.
        limit: usize,
    },
    /// The table could not be read or written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The row asks for what cannot be.
    #[error("the row cannot be launched as it stands: {0}")]
    Impossible(String),
    /// The image could not be fetched or built.
    #[error("{what}: {problem}")]
    Image {
        /// The image or file.
        what: String,
        /// What is wrong with it, and the mend.
        problem: String,
    },
    /// The image does not measure to what the pipeline expects.
    #[error(
        "the image {image} measures to PCR{pcr} {found}, where {expected} is expected: it changed after it was measured, or bundle {bundle} differs here; deploy the row again"
    )]
    Measurement {
        /// The image or file.
        image: String,
        /// The PCR's index.
        pcr: u8,
        /// Its value, in hex.
        found: String,
        /// The value expected, in hex.
        expected: String,
        /// The bundle it was built with.
        bundle: String,
    },
    /// Too little memory, before anything is launched.
    #[error(
        "{asked_mib} MiB of memory is too little for an EIF of {eif_mib} MiB: ask for at least {least_mib} MiB (4 times the EIF)"
    )]
    Memory {
        /// Asked for, in MiB.
        asked_mib: u64,
        /// The EIF's size, in MiB, rounded up.
        eif_mib: u64,
        /// The least that is taken, in MiB.
        least_mib: u64,
    },
    /// No CPU, or more than an enclave can have.
    #[error("{0} CPUs cannot be given to an enclave: ask for 1 to 32")]
    Cpus(u32),
    /// The host runs as many enclaves as it may.
    #[error(
        "this host runs {0} enclaves already, as many as its limits.enclaves allows: end one or raise the limit"
    )]
    Full(usize),
    /// No enclave of this name.
    #[error("no enclave {0:?} on this host: `treza-host list` names those that there are, by row and by CID")]
    NoSuchEnclave(String),
    /// The instance's metadata service.
    #[error(
        "the metadata service, asked for {path}: {problem}: is this an EC2 instance with IMDSv2? Else write instance_id into the configuration"
    )]
    Metadata {
        /// What was asked for.
        path: &'static str,
        /// What came instead.
        problem: String,
    },
    /// The enclave did not start.
    #[error("the enclave did not start: {0}")]
    NotStarted(String),
    /// The holder of an enclave does not do what it is asked.
    #[error("the holder of the enclave in {dir}: {problem}")]
    Holder {
        /// The enclave's directory.
        dir: PathBuf,
        /// What it said, or did not.
        problem: String,
    },
    /// The guest never said that it booted.
    #[error(
        "no heartbeat from CID {cid} on vsock port 9000 within {seconds} s: the kernel or the agent did not come up; the console's end is in the log ({hint})"
    )]
    NoHeartbeat {
        /// The guest's vsock address.
        cid: u32,
        /// How long it was waited for.
        seconds: u64,
        /// What runs the guest.
        hint: String,
    },
    /// The agent did not answer as it should.
    #[error("the agent, asked {asked}: {source}")]
    Agent {
        /// What it was asked.
        asked: &'static str,
        /// What came instead.
        source: crate::agent::AgentError,
    },
    /// The evidence does not meet the expectation.
    #[error("the evidence is refused: {0}")]
    Evidence(String),
    /// The enclave ended by itself.
    #[error("the enclave ended: {0}")]
    Ended(String),
}

impl Error {
    /// For `map_err`: an [`Error::Io`] that says what was being done to `path`.
    pub(crate) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let what = format!("{doing} {}", path.display());
        move |source| Error::Io { what, source }
    }
}
