//! One run of Terraform's program: what it says is followed to its end, which it comes to by itself or is asked to.

use super::diagnosis::{MAX_LINE, Transcript};
use super::stop::Stop;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::mpsc;

/// How long a run may take.
const LIMIT: Duration = Duration::from_secs(40 * 60);
/// How long Terraform has to end in good order and to write its state, once it is told to: Fargate gives 120 s in all.
const GRACE: Duration = Duration::from_secs(100);

/// A run that has ended.
pub(super) struct Done {
    /// What it said.
    pub(super) transcript: Transcript,
    /// How it ended.
    pub(super) end: End,
}

/// How a run ended.
pub(super) enum End {
    /// By itself, or so soon after it was asked to that all was done.
    Exit(ExitStatus),
    /// It was asked to end, since the runner was, and broke off.
    Told,
    /// It was asked to end for taking too long.
    TooLong,
}

/// A run that goes on.
pub(super) struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
    transcript: Transcript,
}

impl Process {
    /// Starts `command` in a process group of its own: a signal for the runner is not one for Terraform, which is asked to
    /// end instead.
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        Ok(Self {
            lines: lines_of(child.stdout.take(), child.stderr.take()),
            child,
            transcript: Transcript::default(),
        })
    }

    /// Follows it to its end.
    pub(super) async fn done(mut self, stop: &Stop) -> io::Result<Done> {
        let end = tokio::select! {
            status = self.follow() => End::Exit(status?),
            () = stop.told() => match self.end().await {
                Some(status) if status.success() => End::Exit(status),
                _ => End::Told,
            },
            () = tokio::time::sleep(LIMIT) => {
                self.end().await;
                End::TooLong
            }
        };
        Ok(Done {
            transcript: self.transcript,
            end,
        })
    }

    /// Reads what it says until it ends.
    async fn follow(&mut self) -> io::Result<ExitStatus> {
        while let Some(line) = self.lines.recv().await {
            self.transcript.line(&line);
        }
        self.child.wait().await
    }

    /// Asks Terraform to end, which it does once the call to AWS that it is at has ended and its state is written.
    /// It is listened to all the while: with nobody to read what it says it would die of that, and leave its lock.
    /// None: it had to be killed.
    async fn end(&mut self) -> Option<ExitStatus> {
        tracing::warn!("terraform is asked to end");
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            // It may have ended this very moment.
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
        if let Ok(Ok(status)) = tokio::time::timeout(GRACE, self.follow()).await {
            tracing::info!("terraform {}", ending(status));
            return Some(status);
        }
        tracing::error!("terraform does not end; killing it");
        // The next run breaks its lock.
        let _ = self.child.kill().await;
        None
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit(status) => formatter.write_str(&ending(*status)),
            Self::Told => formatter.write_str("was told to end"),
            Self::TooLong => write!(formatter, "did not end within {} min", LIMIT.as_secs() / 60),
        }
    }
}

fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".into(),
    }
}

/// The lines of both, as they come, until both have ended.
fn lines_of(stdout: Option<ChildStdout>, stderr: Option<ChildStderr>) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(64);
    if let Some(stdout) = stdout {
        tokio::spawn(send_lines(stdout, sender.clone()));
    }
    if let Some(stderr) = stderr {
        tokio::spawn(send_lines(stderr, sender));
    }
    lines
}

/// Sends each line of `from`, cut at [`MAX_LINE`].
async fn send_lines(from: impl AsyncRead + Unpin, to: mpsc::Sender<String>) {
    let mut reader = BufReader::new(from);
    loop {
        let mut line = Vec::new();
        let read = (&mut reader)
            .take(MAX_LINE as u64)
            .read_until(b'\n', &mut line)
            .await;
        let ended = !matches!(read, Ok(bytes) if bytes > 0);
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if ended || to.send(line).await.is_err() {
            return;
        }
    }
}
