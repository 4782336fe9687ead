//! The host daemon as a child process: started again when it dies, ended with the pipeline.

use super::Error;
use super::GRACE;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The wait before the first restart; doubled with each, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A daemon that ran so long had started well: the next wait is the first again.
const RAN_WELL: Duration = Duration::from_secs(60);

/// A daemon that is kept running.
pub(super) struct Supervised {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Supervised {
    /// Starts `program daemon --config config` and keeps it running; its output is appended to `log`.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be started at all.
    pub(super) fn start(program: PathBuf, config: PathBuf, log: PathBuf) -> Result<Self, Error> {
        let first = spawn(&program, &config, &log)?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(keep(first, stopped, move || spawn(&program, &config, &log)));
        Ok(Self { stop, task })
    }

    /// Ends the daemon: SIGTERM, and SIGKILL if it does not go. What it launched is not its to end.
    pub(super) async fn stop(self) {
        // The task may have ended already.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

async fn keep(
    mut child: Child,
    mut stopped: oneshot::Receiver<()>,
    spawn: impl Fn() -> Result<Child, Error>,
) {
    let mut wait = FIRST_WAIT;
    loop {
        let started = Instant::now();
        tokio::select! {
            _ = &mut stopped => return end(child).await,
            status = child.wait() => report(status),
        }
        if started.elapsed() > RAN_WELL {
            wait = FIRST_WAIT;
        }
        child = loop {
            tokio::select! {
                _ = &mut stopped => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(LONGEST_WAIT);
            match spawn() {
                Ok(child) => break child,
                Err(error) => tracing::error!(%error, "the host daemon cannot be started again"),
            }
        };
    }
}

fn report(status: std::io::Result<ExitStatus>) {
    match status {
        Ok(status) => tracing::error!(%status, "the host daemon ended; starting it again: see its log"),
        Err(error) => tracing::error!(%error, "the host daemon is lost; starting it again"),
    }
}

async fn end(mut child: Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have gone this very moment; then the wait below ends at once.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        tracing::warn!("the host daemon does not end; killing it");
        let _ = child.kill().await;
    }
}

/// Ends the daemons of `config` that a pipeline left behind when it was killed: each holds its host's lock. How many
/// there were.
pub(super) async fn end_orphans(config: &Path) -> usize {
    let orphans = daemons_of(config);
    for (signal, limit) in [(Signal::SIGTERM, GRACE), (Signal::SIGKILL, FIRST_WAIT)] {
        for pid in &orphans {
            tracing::info!(%pid, %signal, "ending a host daemon that was left behind");
            // It may have gone this very moment.
            let _ = kill(*pid, signal);
        }
        let deadline = Instant::now() + limit;
        while !daemons_of(config).is_empty() && Instant::now() < deadline {
            tokio::time::sleep(FIRST_WAIT / 4).await;
        }
        if daemons_of(config).is_empty() {
            break;
        }
    }
    orphans.len()
}

/// Processes whose command line is that of a daemon with this configuration.
fn daemons_of(config: &Path) -> Vec<Pid> {
    let wanted = [
        b"daemon" as &[u8],
        b"--config",
        config.as_os_str().as_bytes(),
        b"",
    ];
    let runs = |folder: &Path| {
        let line = std::fs::read(folder.join("cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).collect();
        words.ends_with(&wanted)
    };
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| runs(&entry.path()))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .map(Pid::from_raw)
        .collect()
}

fn spawn(program: &Path, config: &Path, log: &Path) -> Result<Child, Error> {
    let output = File::options()
        .create(true)
        .append(true)
        .open(log)
        .map_err(Error::file("open", log))?;
    let errors = output.try_clone().map_err(Error::file("open", log))?;
    Command::new(program)
        .args([OsStr::new("daemon"), OsStr::new("--config"), config.as_os_str()])
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .kill_on_drop(true)
        .spawn()
        .map_err(Error::file("start", program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_daemon_that_dies_is_started_again_and_ends_with_the_pipeline() {
        let folder = tempfile::tempdir().unwrap();
        let [program, config, log] = ["program", "host.toml", "log"].map(|name| folder.path().join(name));
        std::fs::write(
            &program,
            "#!/bin/sh\necho started >&2\n[ -e \"$3.ran\" ] && exec sleep 600\ntouch \"$3.ran\"\n",
        )
        .unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let daemon = Supervised::start(program, config, log.clone()).unwrap();
        let starts = || std::fs::read_to_string(&log).unwrap_or_default().lines().count();
        while starts() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        daemon.stop().await;
        assert_eq!(starts(), 2);
    }

    #[tokio::test]
    async fn a_daemon_that_was_left_behind_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("host.toml");
        // `sh -c SCRIPT daemon --config FILE` has the command line of a daemon.
        let mut left = std::process::Command::new("sh")
            .args(["-c", "while true; do sleep 0.1; done", "daemon", "--config"])
            .arg(&config)
            .spawn()
            .unwrap();
        let waited = std::thread::spawn(move || left.wait());
        while daemons_of(&config).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(end_orphans(&config).await > 0);
        assert_eq!(end_orphans(&config).await, 0);
        assert!(!waited.join().unwrap().unwrap().success());
        assert!(daemons_of(&folder.path().join("other.toml")).is_empty());
    }
}
