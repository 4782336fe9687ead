//! An enclave from its EIF to its end.

use crate::boot::BootImage;
use crate::console::Console;
use crate::hub::CidLock;
use crate::qemu::{Acceleration, Ended, Guest, Qemu};
use crate::secure_module::SecureModule;
use crate::vsock::{self, Vsock};
use crate::{Error, Machine};
use contract::request::MOST_EMULATED_CPUS;
use eif_build::eif::Pcrs;
use nsm::development::{Authority, Measurements, Module, ModuleId};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The least memory, in MiB (nitro-cli's).
const MIN_MEMORY_MIB: u64 = 64;
/// Memory is at least this many times the EIF (nitro-cli's rule).
const MEMORY_PER_EIF: u64 = 4;
/// How much of the console an [`Exit`] carries, in bytes.
const CONSOLE_TAIL: usize = 4096;

/// What to launch, and how.
#[derive(Clone)]
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
    /// The EC2 instance id behind PCR4 and the module id, `i-` and 17 hex digits.
    pub instance_id: String,
    /// A directory that the caller has made and removes, with rights for nobody else. The enclave's sockets
    /// will stand there.
    pub run_dir: PathBuf,
    /// The CA that signs the enclave's attestation documents.
    pub authority: Arc<Authority>,
    /// Where the host's listeners for all enclaves stand (`<hub>/<port>.sock`), if there are any. No two
    /// enclaves of a hub have the same CID.
    pub hub: Option<PathBuf>,
    /// Use TCG even where KVM seems to work: for another try after [`Exit::accelerator_failed`] or a
    /// heartbeat that did not come.
    pub force_tcg: bool,
}

/// A running enclave. Dropping it ends everything that belongs to it.
pub struct Enclave {
    // In the order in which they must end: QEMU before the device that serves it, the CID last.
    qemu: Qemu,
    _vsock: Vsock,
    _cid: Option<CidLock>,
    cid: u32,
    module_id: ModuleId,
    pcrs: Pcrs,
    acceleration: Acceleration,
    vsock_path: PathBuf,
}

/// How an enclave ended.
#[derive(Clone, Debug)]
pub struct Exit {
    /// QEMU's exit code; `None` when a signal ended it. 0 is the guest's own end, orderly or by panic.
    pub code: Option<i32>,
    /// The signal that ended QEMU, if one did.
    pub signal: Option<i32>,
    /// The kernel's last word, if it was a panic. It is what the guest's console says, so a guest can forge
    /// it.
    pub panic: Option<String>,
    /// The accelerator gave up (KVM's internal error): worth another try with [`Config::force_tcg`].
    pub accelerator_failed: bool,
    /// The last 4 KiB of the console.
    pub console_tail: String,
}

impl Enclave {
    /// Measures the EIF, boots it and answers for its NSM. It returns as soon as QEMU runs: the enclave is up
    /// when its heartbeat comes.
    pub fn launch(config: Config) -> Result<Enclave, Error> {
        check_shape(&config)?;
        let cid_lock = config
            .hub
            .as_ref()
            .map(|hub| CidLock::take(hub, config.cid))
            .transpose()?;
        let image = Arc::new(BootImage::load(&config.eif)?);
        let module_id =
            ModuleId::generate(&config.instance_id).map_err(|error| Error::Nsm(error.to_string()))?;
        let module = Module::new(
            config.authority,
            module_id.clone(),
            &measurements(&image.pcrs),
            config.debug,
        )
        .map_err(|error| Error::Nsm(error.to_string()))?;
        let vsock_path = config.run_dir.join("vsock.sock");
        let (vsock, front) = Vsock::start(vsock::Config {
            cid: config.cid,
            path: vsock_path.clone(),
            hub: config.hub,
            dialler: Box::new(SecureModule::new(module, image.clone())),
        })?;
        let acceleration = match config.force_tcg {
            true => Acceleration::Tcg {
                reason: "asked for".into(),
            },
            false => Acceleration::probe(),
        };
        let guest = Guest {
            machine: config.machine,
            acceleration: acceleration.clone(),
            memory_mib: config.memory_mib,
            cpus: config.cpus,
            cmdline: image.cmdline.clone(),
        };
        let qemu = Qemu::start(&guest, &image, front)?;
        tracing::debug!(cid = config.cid, pid = qemu.pid(), %acceleration, "QEMU runs");
        let pcrs = image.pcrs;
        Ok(Enclave {
            qemu,
            _vsock: vsock,
            _cid: cid_lock,
            cid: config.cid,
            module_id,
            pcrs,
            acceleration,
            vsock_path,
        })
    }

    /// The guest's vsock address.
    pub fn cid(&self) -> u32 {
        self.cid
    }

    /// The id of its NSM, `i-<17 hex>-enc<16 hex>`.
    pub fn module_id(&self) -> &str {
        self.module_id.as_str()
    }

    /// The measurements of what was booted, whether or not debug mode hides them.
    pub fn pcrs(&self) -> &Pcrs {
        &self.pcrs
    }

    /// The process id of QEMU.
    pub fn pid(&self) -> u32 {
        self.qemu.pid()
    }

    /// KVM, or TCG and why.
    pub fn acceleration(&self) -> &Acceleration {
        &self.acceleration
    }

    /// `<run_dir>/vsock.sock`: write `CONNECT <port>\n`, read `OK <port>\n`, as with Firecracker. What the
    /// guest dials arrives at `<run_dir>/vsock.sock_<port>`, else at `<hub>/<port>.sock` behind a line `CID
    /// <cid>\n`.
    pub fn vsock_path(&self) -> &Path {
        &self.vsock_path
    }

    /// Connects to a port of the guest, which has `timeout` to accept. The stream has no time-outs of its
    /// own.
    pub fn connect(&self, port: u32, timeout: Duration) -> Result<UnixStream, Error> {
        connect(&self.vsock_path, port, timeout).map_err(|source| Error::Connect {
            cid: self.cid,
            port,
            source,
        })
    }

    /// The serial console: bounded, in memory, never on disk.
    pub fn console(&self) -> &Console {
        self.qemu.console()
    }

    /// Its end, if that has come.
    pub fn try_wait(&self) -> Option<Exit> {
        self.wait(Duration::ZERO)
    }

    /// Waits for its end, at most for `timeout`.
    pub fn wait(&self, timeout: Duration) -> Option<Exit> {
        self.qemu.wait(timeout).map(|ended| self.exit(ended))
    }

    /// Ends it at once and returns when QEMU is gone.
    pub fn stop(&self) -> Exit {
        self.exit(self.qemu.kill())
    }

    fn exit(&self, ended: Ended) -> Exit {
        let console_tail = self.console().last(CONSOLE_TAIL);
        let Ended {
            code,
            signal,
            accelerator_failed,
        } = ended;
        Exit {
            code,
            signal,
            panic: panic_in(&console_tail),
            accelerator_failed,
            console_tail,
        }
    }
}

/// Connects to a port of the guest behind a socket like [`Enclave::vsock_path`]: also for another process
/// than the enclave's owner.
pub fn connect(vsock_path: &Path, port: u32, timeout: Duration) -> io::Result<UnixStream> {
    let deadline = Instant::now() + timeout;
    let mut stream = UnixStream::connect(vsock_path)?;
    stream.write_all(format!("CONNECT {port}\n").as_bytes())?;
    // What follows the line is the guest's: nothing may be read beyond it.
    for _ in 0..MAX_ANSWER {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let mut byte = [0];
        stream.read_exact(&mut byte).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::ErrorKind::ConnectionRefused.into(),
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
            _ => error,
        })?;
        if byte == *b"\n" {
            stream.set_read_timeout(None)?;
            return Ok(stream);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// `OK 4294967295\n`.
const MAX_ANSWER: usize = 14;

fn check_shape(config: &Config) -> Result<(), Error> {
    if !(1..=MOST_EMULATED_CPUS).contains(&config.cpus) {
        return Err(Error::Cpus(config.cpus));
    }
    if !(4..u32::MAX).contains(&config.cid) {
        return Err(Error::CidReserved(config.cid));
    }
    let size = std::fs::metadata(&config.eif)
        .map_err(|error| Error::Image {
            path: config.eif.clone(),
            reason: error.to_string(),
        })?
        .len();
    let needed_mib = size
        .saturating_mul(MEMORY_PER_EIF)
        .div_ceil(1 << 20)
        .max(MIN_MEMORY_MIB);
    if u64::from(config.memory_mib) < needed_mib {
        return Err(Error::Memory {
            asked_mib: config.memory_mib,
            needed_mib,
        });
    }
    Ok(())
}

fn measurements(pcrs: &Pcrs) -> Measurements {
    Measurements {
        pcr0: pcrs.pcr0.0,
        pcr1: pcrs.pcr1.0,
        pcr2: pcrs.pcr2.0,
        pcr8: pcrs.pcr8.map(|pcr| pcr.0),
    }
}

fn panic_in(console: &str) -> Option<String> {
    let begin = console.rfind("Kernel panic - not syncing")?;
    console
        .get(begin..)?
        .lines()
        .next()
        .map(|line| line.trim_end().to_owned())
}
