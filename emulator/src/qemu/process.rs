//! The process: its birth with everything it needs by file descriptor, its end with whoever started it.

use super::arguments::Descriptors;
use super::qmp::Qmp;
use super::{Guest, PROGRAM};
use crate::Error;
use crate::boot::BootImage;
use crate::console::Console;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long QEMU may take to build its machine, before the guest runs.
const START_TIME: Duration = Duration::from_secs(60);
/// The most of QEMU's own words that is kept.
const MAX_WORDS: u64 = 8 * 1024;

/// A running QEMU. Dropping it kills it.
#[derive(Debug)]
pub struct Qemu {
    pid: u32,
    console: Console,
    shared: Arc<Shared>,
}

/// How QEMU ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ended {
    /// Its exit code, if no signal ended it.
    pub code: Option<i32>,
    /// The signal that did.
    pub signal: Option<i32>,
    /// Its accelerator had failed.
    pub accelerator_failed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ended: Option<Ended>,
    accelerator_failed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Qemu {
    /// Starts QEMU and returns when its machine runs. `vsock` is the socket of its vsock device.
    pub fn start(guest: &Guest, image: &BootImage, vsock: UnixStream) -> Result<Qemu, Error> {
        let cpu = guest.cpu(version)?;
        let (qmp, qmp_end) = UnixStream::pair().map_err(Error::io("making a socket for QMP"))?;
        let descriptors = Descriptors {
            vsock: vsock.as_raw_fd(),
            qmp: qmp_end.as_raw_fd(),
            kernel: image.kernel.file().as_raw_fd(),
            initrd: image.initrd.file().as_raw_fd(),
        };
        let mut command = Command::new(PROGRAM);
        command.args(guest.arguments(cpu, &descriptors));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let Descriptors {
            vsock: first,
            qmp: second,
            kernel,
            initrd,
        } = descriptors;
        prepare(&mut command, [first, second, kernel, initrd]);

        let shared = Arc::new(Shared::default());
        let (born, birth) = sync_channel(1);
        let keeper = shared.clone();
        thread::Builder::new()
            .name("qemu".into())
            .spawn(move || keep(command, &born, &keeper))
            .map_err(Error::io("starting a thread for QEMU"))?;
        let (pid, console, words) = await_birth(&birth)?;
        drop((vsock, qmp_end));
        let qemu = Qemu { pid, console, shared };
        match Qmp::greet(qmp, START_TIME) {
            Ok(session) => qemu.watch(session)?,
            Err(_) => return Err(qemu.stillborn(words)),
        }
        Ok(qemu)
    }

    /// Kills QEMU when its accelerator fails: it would stand still for good.
    fn watch(&self, mut session: Qmp) -> Result<(), Error> {
        let shared = self.shared.clone();
        let pid = self.pid;
        let watcher = move || {
            if session.accelerator_fails() {
                let mut state = shared.state();
                state.accelerator_failed = true;
                kill_now(&state, pid);
            }
        };
        thread::Builder::new()
            .name("qmp".into())
            .spawn(watcher)
            .map(drop)
            .map_err(Error::io("starting a thread for QMP"))
    }

    /// The error of a QEMU that did not come to run, in its own words.
    fn stillborn(&self, words: thread::JoinHandle<String>) -> Error {
        let ended = self.wait(Duration::from_secs(1));
        self.kill();
        let words = words.join().unwrap_or_default();
        let reason = match (words.trim(), ended) {
            ("", Some(ended)) => format!("it ended at once ({ended:?})"),
            ("", None) => format!("it did not answer in {} s", START_TIME.as_secs()),
            (words, _) => words.to_owned(),
        };
        Error::Qemu { reason }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The guest's serial console.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// Waits until it has ended, at most for `timeout`.
    pub fn wait(&self, timeout: Duration) -> Option<Ended> {
        let running = |state: &mut State| state.ended.is_none();
        let waited = self
            .shared
            .changed
            .wait_timeout_while(self.shared.state(), timeout, running);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    /// Kills it, and returns when it has ended.
    pub fn kill(&self) -> Ended {
        kill_now(&self.shared.state(), self.pid);
        let running = |state: &mut State| state.ended.is_none();
        let waited = self.shared.changed.wait_while(self.shared.state(), running);
        waited
            .unwrap_or_else(PoisonError::into_inner)
            .ended
            .unwrap_or_default()
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The process is reaped under the same lock, so while nobody has seen its end the number is still its own.
fn kill_now(state: &State, pid: u32) {
    if state.ended.is_none() {
        let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
    }
}

/// Lets the child keep `descriptors`, and die with the thread that starts it.
fn prepare(command: &mut Command, descriptors: [RawFd; 4]) {
    let parent = std::process::id();
    let in_child = move || {
        for descriptor in descriptors {
            // SAFETY: the descriptor is open: `Qemu::start` holds its owner until QEMU is born. Clearing its
            // flags touches no memory.
            Errno::result(unsafe { libc::fcntl(descriptor, libc::F_SETFD, 0) })?;
        }
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        // If the parent had died before, nobody would send the signal.
        if std::os::unix::process::parent_id() != parent {
            return Err(io::Error::from(Errno::ESRCH));
        }
        Ok(())
    };
    // SAFETY: between fork and exec `in_child` makes three system calls and allocates nothing.
    unsafe { command.pre_exec(in_child) };
}

type Birth = Result<(u32, Console, thread::JoinHandle<String>), io::Error>;

/// Starts the child and stays with it until its end: the kernel's death signal is sent when the *thread* ends
/// that started a process.
fn keep(mut command: Command, born: &SyncSender<Birth>, shared: &Shared) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return drop(born.send(Err(error))),
    };
    let console = Console::default();
    let output = (child.stdout.take(), child.stderr.take());
    let writer = console.clone();
    let drained = thread::spawn(move || output.0.into_iter().for_each(|output| writer.drain(output)));
    let words = thread::spawn(move || output.1.map(first_words).unwrap_or_default());
    let _ = born.send(Ok((child.id(), console, words)));
    let ended = || Id::Pid(Pid::from_raw(child.id() as i32));
    while waitid(ended(), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
    let _ = drained.join();
    shared.reap(&mut child);
}

impl Shared {
    fn reap(&self, child: &mut Child) {
        let mut state = self.state();
        let status = child.wait().ok();
        state.ended = Some(Ended {
            code: status.as_ref().and_then(ExitStatus::code),
            signal: status.as_ref().and_then(ExitStatusExt::signal),
            accelerator_failed: state.accelerator_failed,
        });
        self.changed.notify_all();
    }
}

/// The start of what QEMU has to say, all of which is taken so that it never waits.
fn first_words(mut output: impl Read) -> String {
    let mut words = Vec::new();
    let _ = output.by_ref().take(MAX_WORDS).read_to_end(&mut words);
    let _ = io::copy(&mut output, &mut io::sink());
    let words = String::from_utf8_lossy(&words).into_owned();
    if !words.is_empty() {
        tracing::warn!(words, "QEMU had something to say");
    }
    words
}

fn await_birth(birth: &Receiver<Birth>) -> Result<(u32, Console, thread::JoinHandle<String>), Error> {
    let born = birth
        .recv()
        .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()));
    born.map_err(missing_or(PROGRAM))
}

/// QEMU's major version.
fn version() -> Result<u32, Error> {
    let output = Command::new(PROGRAM)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(missing_or(PROGRAM))?;
    let words = String::from_utf8_lossy(&output.stdout);
    let version = words
        .split_once("version ")
        .and_then(|(_, rest)| rest.split('.').next()?.parse().ok());
    version.ok_or_else(|| Error::Qemu {
        reason: format!("{PROGRAM} --version says {:?}", words.trim()),
    })
}

fn missing_or(program: &str) -> impl FnOnce(io::Error) -> Error {
    move |error| match error.kind() {
        io::ErrorKind::NotFound => Error::QemuMissing,
        _ => Error::io(format!("running {program}"))(error),
    }
}
