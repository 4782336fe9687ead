//! An enclave from its EIF to its end.

use crate::console::Console;
use crate::{Acceleration, Error, Machine};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to launch, and how.
#[derive(Debug)]
pub struct Config {
    /// The enclave image file. It is read once, and what is measured is what is booted.
    pub eif: PathBuf,
    /// The machine that its kernel expects.
    pub machine: Machine,
    /// Memory of the enclave: at least 64 MiB and 4 times the EIF.
    pub memory_mib: u32,
    /// CPUs: 1 to 32.
    pub cpus: u32,
    /// The guest's vsock address, from 4.
    pub cid: u32,
    /// Debug mode: PCR 0, 1, 2 and 8 read as zero.
    pub debug: bool,
    /// The EC2 instance id behind PCR4 and the module id.
    pub instance_id: String,
    /// A directory of the caller's, made and removed by the caller, where `vsock.sock` will stand.
    pub run_dir: PathBuf,
    /// Where the host's common listeners stand (`<hub>/<port>.sock`), if there are any.
    pub hub: Option<PathBuf>,
    /// Use TCG even where KVM would do: for a second try after [`Exit::accelerator_failed`].
    pub force_tcg: bool,
}

/// A running enclave. Dropping it ends everything that belongs to it.
#[derive(Debug)]
pub struct Enclave {
    console: Console,
}

/// How an enclave ended.
#[derive(Clone, Debug)]
pub struct Exit {
    /// QEMU's exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended QEMU, if one did.
    pub signal: Option<i32>,
    /// The kernel's panic message, if the console ends with one. QEMU's code does not tell a panic from an orderly end.
    pub panic: Option<String>,
    /// The accelerator gave up (KVM's internal error): worth another try with [`Config::force_tcg`].
    pub accelerator_failed: bool,
    /// The last 4 KiB of the console.
    pub console_tail: String,
}
impl Enclave {
    /// Measures the EIF, boots it and answers for its NSM. Returns as soon as QEMU runs: wait for the heartbeat.
    pub fn launch(config: Config) -> Result<Enclave, Error> {
        unimplemented!()
    }
    /// The guest's vsock address.
    pub fn cid(&self) -> u32 {
        unimplemented!()
    }
    /// The module id of its NSM, `i-<17 hex>-enc<16 hex>`.
    pub fn module_id(&self) -> &str {
        unimplemented!()
    }
    /// The process id of QEMU.
    pub fn pid(&self) -> u32 {
        unimplemented!()
    }
    /// KVM, or TCG and why.
    pub fn acceleration(&self) -> &Acceleration {
        unimplemented!()
    }
    /// `<run_dir>/vsock.sock`: write `CONNECT <port>\n`, read `OK <port>\n`, as with Firecracker. What the guest dials
    /// arrives at `<run_dir>/vsock.sock_<port>`, else at `<hub>/<port>.sock` behind a line `CID <cid>\n`.
    pub fn vsock_path(&self) -> &Path {
        unimplemented!()
    }
    /// Connects to a port of the guest.
    pub fn connect(&self, port: u32, timeout: Duration) -> Result<UnixStream, Error> {
        unimplemented!()
    }
    /// The serial console: bounded in memory, never on disk.
    pub fn console(&self) -> &Console {
        unimplemented!()
    }
    /// Its end, if it has come.
    pub fn try_wait(&self) -> Option<Exit> {
        unimplemented!()
    }
    /// Waits for its end; `None` when the time-out came first.
    pub fn wait(&self, timeout: Duration) -> Option<Exit> {
        unimplemented!()
    }
    /// Ends it at once and waits until QEMU is gone.
    pub fn stop(&self) -> Exit {
        unimplemented!()
    }
}
