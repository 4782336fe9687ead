use std::io;
use std::path::PathBuf;

/// Why an enclave could not be launched, reached or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The memory asked for is below what Nitro itself would accept.
    #[error(
        "{asked_mib} MiB of memory is too little: this image needs at least {needed_mib} MiB (4 times its size, and never below 64 MiB)"
    )]
    Memory {
        /// What the caller asked for, in MiB.
        asked_mib: u32,
        /// The least that is accepted, in MiB.
        needed_mib: u64,
    },
    /// No CPU, or more than the enclave kernel is built for.
    #[error("{0} CPUs cannot be given to an enclave: ask for 1 to 32")]
    Cpus(u32),
    /// CIDs 0 to 3 and 2^32-1 are reserved by the vsock address family.
    #[error("CID {0} is reserved: choose one from 4 to 4294967294")]
    CidReserved(u32),
    /// Another enclave with the same hub has this CID.
    #[error("CID {cid} is taken: its lock {lock} is held by a running enclave")]
    CidTaken {
        /// The CID asked for.
        cid: u32,
        /// The lock file that says so.
        lock: PathBuf,
    },
    /// The EIF could not be read, or is not one.
    #[error("{path}: {reason}")]
    Image {
        /// The EIF.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// QEMU is not installed.
    #[error("qemu-system-x86_64 is not in PATH: install it (Debian: apt-get install qemu-system-x86)")]
    QemuMissing,
    /// QEMU ended or fell silent before the enclave ran.
    #[error("QEMU did not start the enclave: {reason}")]
    Qemu {
        /// QEMU's own words, where it had any.
        reason: String,
    },
    /// The vsock device could not be set up.
    #[error("the vsock device of CID {cid}: {reason}")]
    Vsock {
        /// The guest's CID.
        cid: u32,
        /// What failed.
        reason: String,
    },
    /// The guest does not listen on the port, has ended, or did not answer in time.
    #[error("CID {cid} does not accept a connection to vsock port {port}: {source}")]
    Connect {
        /// The guest's CID.
        cid: u32,
        /// The vsock port.
        port: u32,
        /// What the socket said.
        source: io::Error,
    },
    /// The development NSM could not be made.
    #[error("the development NSM: {0}")]
    Nsm(String),
    /// A call of the operating system failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, and where.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: an [`Error::Io`] that says what was being done.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io {
            what: what.into(),
            source,
        }
    }
}
