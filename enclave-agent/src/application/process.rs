//! The agent's side of a running application: the process that is its process 1.

use super::output::Output;
use super::plan::{Outcome, Plan};
use crate::sys;
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};
use std::ffi::CStr;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The namespaces that an application gets of its own, with the files by which the kernel says that it has them.
const NAMESPACES: [(&str, i32); 4] = [
    ("/proc/self/ns/mnt", libc::CLONE_NEWNS),
    ("/proc/self/ns/pid", libc::CLONE_NEWPID),
    ("/proc/self/ns/uts", libc::CLONE_NEWUTS),
    ("/proc/self/ns/ipc", libc::CLONE_NEWIPC),
];
/// The longest outcome, in bytes.
const OUTCOME: u64 = 16 * 1024;
/// How long output may still come after the end. With all processes dead the pipe is at its end at once.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A started application.
pub(super) struct Process {
    /// None once it is reaped: the number may then be another's.
    pid: Arc<Mutex<Option<Pid>>>,
    outcome: JoinHandle<Outcome>,
}

impl Process {
    /// Starts the program `agent` as the first process of an application and tells it `plan`; what it writes goes to
    /// `output`.
    pub(super) fn start(agent: &CStr, plan: &Plan, output: Arc<Output>) -> io::Result<Self> {
        let children = signal(SignalKind::child())?;
        let (link, theirs) = std::os::unix::net::UnixStream::pair()?;
        let null = OpenOptions::new().read(true).open("/dev/null")?;
        let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        let descriptors = [
            null.as_raw_fd(),
            writer.as_raw_fd(),
            writer.as_raw_fd(),
            theirs.as_raw_fd(),
        ];
        link.set_nonblocking(true)?;
        let (link, reader) = (
            UnixStream::from_std(link)?,
            pipe::Receiver::from_owned_fd(reader)?,
        );
        let told = serde_json::to_vec(plan)?;

        let pid = sys::spawn(
            agent,
            &[c"treza-agent", super::init::ARGUMENT],
            namespaces(),
            &descriptors,
        )?;
        let shared = Arc::new(Mutex::new(Some(pid)));
        let held = shared.clone();
        let follow = async move {
            let copying = tokio::spawn(async move { output.copy_from(reader).await });
            let outcome = converse(link, &told).await;
            reap(pid, &held, children).await;
            let _ = timeout(LAST_WORDS, copying).await;
            outcome
        };
        Ok(Self {
            pid: shared,
            outcome: tokio::spawn(follow),
        })
    }

    /// Waits for its end, when nothing of it is left. May be called again if it was not waited out.
    pub(super) async fn ended(&mut self) -> Outcome {
        (&mut self.outcome)
            .await
            .unwrap_or(Outcome::Killed(libc::SIGKILL))
    }

    /// Sends it a signal: SIGKILL ends all of it, any other is passed on by its first process.
    pub(super) fn signal(&self, signal: i32) {
        if let Some(pid) = *self.pid.lock().unwrap_or_else(PoisonError::into_inner) {
            // It may have ended, which is what a signal is for.
            let _ = sys::kill(pid.as_raw(), signal);
        }
    }
}

fn namespaces() -> i32 {
    let (there, missing): (Vec<_>, Vec<_>) =
        NAMESPACES.iter().partition(|(file, _)| Path::new(file).exists());
    for (file, _) in missing {
        crate::say!("this kernel has no {file}: the application shares that namespace with the agent");
    }
    there.iter().fold(0, |flags, (_, flag)| flags | flag)
}

/// Tells the first process what to start, and reads how it ended. One that ends without a word was killed.
async fn converse(mut link: UnixStream, told: &[u8]) -> Outcome {
    let mut answer = Vec::new();
    let exchange = async {
        link.write_all(told).await?;
        link.shutdown().await?;
        link.take(OUTCOME).read_to_end(&mut answer).await
    };
    let _ = exchange.await;
    let line = answer.split(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice(line).unwrap_or(Outcome::Killed(libc::SIGKILL))
}

async fn reap(pid: Pid, shared: &Mutex<Option<Pid>>, mut children: Signal) {
    while let Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) = waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
        children.recv().await;
    }
    *shared.lock().unwrap_or_else(PoisonError::into_inner) = None;
    if getpid().as_raw() == 1 {
        // What outlived it became ours, which happens only on a kernel without PID namespaces.
        while sys::reap_any().is_some() {}
    }
}
