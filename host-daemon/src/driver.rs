//! What runs enclaves: the one seam between this crate and a hypervisor.

mod emulator;

pub use self::emulator::Emulator;

use crate::Error;
use crate::enclave_dir::{EnclaveDir, Ended, Spec};
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Runs enclaves, and reaches their vsock ports.
pub trait Driver: Send + Sync + 'static {
    /// A connection to a port of a guest.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// An enclave in the process that holds it.
    type Enclave: Enclave;

    /// Starts the enclave of `dir` in this process, which is its holder. Returns as soon as it runs.
    fn launch(&self, dir: &EnclaveDir, spec: &Spec) -> Result<Self::Enclave, Error>;

    /// Connects to a vsock port of the guest in `dir`, from any process of the host.
    fn connect(&self, dir: &EnclaveDir, port: u32) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// A running enclave, in the process that holds it. It ends with that process.
pub trait Enclave: Send + Sync + 'static {
    /// What its documents call it.
    fn module_id(&self) -> String;

    /// What runs it: `kvm`, or `tcg` and why.
    fn acceleration(&self) -> String;

    /// Waits for its end, blocking.
    fn wait(&self) -> Ended;

    /// Ends it at once, and returns when it has ended.
    fn stop(&self);

    /// What stands on its console from the byte `from` on; blocks for up to `patience` if there is nothing yet.
    fn console(&self, from: u64, patience: Duration) -> Console;
}

/// A piece of a console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    /// What to ask from next.
    pub next: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// No more will come.
    pub ended: bool,
}
