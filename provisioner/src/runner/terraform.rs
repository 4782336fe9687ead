//! Terraform as a process: one folder, one host, each change planned first and the very plan applied.

use super::Error;
use super::diagnosis::{Failure, Kind, MAX_LINE, Transcript};
use super::settings::Settings;
use super::variables::state_key;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Map, Value};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// How long Terraform may wait for its own lock. Who has the lease waits for no other run: a lock that stays was left.
const LOCK_TIMEOUT: &str = "-lock-timeout=10s";
/// How long a run may take.
const LIMIT: Duration = Duration::from_secs(40 * 60);
/// How long Terraform has to end in good order and to write its state, once it is told to: Fargate gives 120 s in all.
const GRACE: Duration = Duration::from_secs(100);
/// The most bytes of an answer.
const MAX_ANSWER: u64 = 1 << 20;
/// The variables that Terraform, its provider and their way to AWS need. No other of ours is its business.
const PASSED: [&str; 7] = [
    "PATH",
    "HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "NO_PROXY",
    "TF_CLI_CONFIG_FILE",
];
const PASSED_PREFIX: &str = "AWS_";

/// What came of a run.
pub(super) type Run<T> = Result<T, Ended>;

/// Why a run has no result.
#[derive(Debug)]
pub(super) enum Ended {
    /// Terraform failed.
    Failed(Failure),
    /// It could not be run, or was told to end.
    Lost(Error),
}

/// Terraform in a folder of its own.
pub(super) struct Terraform {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Terraform {
    /// Copies the module, and connects it to the state of the row's host.
    pub(super) async fn open(settings: &Settings) -> Run<Self> {
        let folder = tempfile::tempdir().map_err(lost("make a folder in", &std::env::temp_dir()))?;
        copy(&settings.module, folder.path()).map_err(lost("copy the module", &settings.module))?;
        let terraform = Self {
            program: settings.terraform.clone(),
            folder,
        };
        let mut arguments: Vec<OsString> = vec!["init".into(), "-input=false".into(), "-no-color".into()];
        let backend = backend(settings);
        arguments.extend(
            backend
                .into_iter()
                .map(|setting| format!("-backend-config={setting}").into()),
        );
        terraform.run(&arguments).await?;
        Ok(terraform)
    }

    /// Makes what `variables` describe.
    pub(super) async fn apply(&self, variables: &Map<String, Value>) -> Run<()> {
        self.change(&["plan"], variables).await
    }

    /// Takes down all that there is.
    pub(super) async fn destroy(&self, variables: &Map<String, Value>) -> Run<()> {
        self.change(&["plan", "-destroy"], variables).await
    }

    async fn change(&self, plan: &[&str], variables: &Map<String, Value>) -> Run<()> {
        let file = self.folder.path().join("row.tfvars.json");
        let text = Value::Object(variables.clone()).to_string();
        std::fs::write(&file, text).map_err(lost("write", &file))?;
        let common = ["-json", "-input=false", LOCK_TIMEOUT];
        let mut arguments: Vec<OsString> = plan.iter().chain(&common).map(OsString::from).collect();
        arguments.extend(["-var-file=row.tfvars.json".into(), "-out=row.plan".into()]);
        self.run(&arguments).await?;
        let mut arguments: Vec<OsString> = ["apply"].iter().chain(&common).map(OsString::from).collect();
        arguments.push("row.plan".into());
        self.run(&arguments).await
    }

    /// The outputs of what there is; none of nothing.
    pub(super) async fn outputs(&self) -> Run<Map<String, Value>> {
        let mut child = self
            .command(&["output".into(), "-json".into()])
            .stderr(Stdio::null())
            .spawn()
            .map_err(lost("start", &self.program))?;
        let mut answer = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout
                .take(MAX_ANSWER)
                .read_to_end(&mut answer)
                .await
                .map_err(lost("read the outputs of", &self.program))?;
        }
        let status = child.wait().await.map_err(lost("wait for", &self.program))?;
        let outputs: Option<Map<String, Value>> = serde_json::from_slice(&answer).ok();
        let Some(outputs) = outputs.filter(|_| status.success()) else {
            return Err(Ended::Failed(Transcript::default().failure("told no outputs")));
        };
        let value = |(name, output): (String, Value)| Some((name, output.get("value")?.clone()));
        Ok(outputs.into_iter().filter_map(value).collect())
    }

    /// Breaks a lock that a run has left which was lost: the caller has the host's lease, so that no other run goes on.
    pub(super) async fn unlock(&self, lock: &str) -> Run<()> {
        self.run(&["force-unlock".into(), "-force".into(), lock.into()])
            .await
    }

    async fn run(&self, arguments: &[OsString]) -> Run<()> {
        let what = arguments.first().map(OsString::as_os_str).unwrap_or_default();
        tracing::info!(command = ?what, "terraform begins");
        let mut child = self
            .command(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(lost("start", &self.program))?;
        let mut transcript = Transcript::default();
        let mut lines = lines_of(child.stdout.take(), child.stderr.take());
        let status = match follow(&mut child, &mut lines, &mut transcript).await {
            Ok(status) => status,
            Err(ended) => {
                end(&mut child, &mut lines, &mut transcript).await;
                return Err(ended);
            }
        };
        if status.success() {
            return Ok(());
        }
        Err(Ended::Failed(transcript.failure(&format!(
            "{} {}",
            what.display(),
            ending(status)
        ))))
    }

    /// In a process group of its own: a signal for the runner is not one for Terraform, which is asked to end instead.
    fn command(&self, arguments: &[OsString]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        for (name, value) in std::env::vars_os() {
            let passes = |name: &OsStr| {
                let name = name.to_string_lossy();
                PASSED.contains(&name.as_ref()) || name.starts_with(PASSED_PREFIX)
            };
            if passes(&name) {
                command.env(name, value);
            }
        }
        command
    }
}

/// Reads what Terraform says until it ends.
async fn follow(
    child: &mut Child,
    lines: &mut mpsc::Receiver<String>,
    transcript: &mut Transcript,
) -> Run<ExitStatus> {
    let mut terminated = signal(SignalKind::terminate()).map_err(lost("listen to", Path::new("signals")))?;
    let deadline = tokio::time::sleep(LIMIT);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) => transcript.line(&line),
                None => break,
            },
            _ = terminated.recv() => return Err(Ended::Lost(Error::Terminated)),
            () = &mut deadline => {
                let ended = format!("did not end within {} min", LIMIT.as_secs() / 60);
                return Err(Ended::Failed(Transcript::default().failure(&ended)));
            }
        }
    }
    child
        .wait()
        .await
        .map_err(lost("wait for", Path::new("terraform")))
}

/// Asks Terraform to end, which it does once the call to AWS that it is at has ended and its state is written.
/// It is listened to all the while: with nobody to read what it says it would die of that, and leave its lock.
async fn end(child: &mut Child, lines: &mut mpsc::Receiver<String>, transcript: &mut Transcript) {
    tracing::warn!("terraform is asked to end");
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended this very moment.
        let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
    }
    let ended = tokio::time::timeout(GRACE, async {
        while let Some(line) = lines.recv().await {
            transcript.line(&line);
        }
        child.wait().await
    });
    match ended.await {
        Ok(Ok(status)) => transcript.line(&format!("terraform {}", ending(status))),
        _ => {
            tracing::error!("terraform does not end; killing it");
            // The next run breaks its lock.
            let _ = child.kill().await;
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

/// The settings of the backend. An S3 of one's own is no AWS, and is not asked what only AWS knows.
fn backend(settings: &Settings) -> Vec<String> {
    let mut all = vec![
        format!("bucket={}", settings.state_bucket),
        format!("key={}", state_key(&settings.turn.id)),
        "encrypt=true".to_owned(),
        "use_lockfile=true".to_owned(),
    ];
    all.extend(
        settings
            .state_kms_key
            .as_ref()
            .map(|key| format!("kms_key_id={key}")),
    );
    let own = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    if own {
        let skipped = [
            "use_path_style",
            "skip_credentials_validation",
            "skip_metadata_api_check",
            "skip_region_validation",
            "skip_requesting_account_id",
        ];
        all.extend(skipped.iter().map(|name| format!("{name}=true")));
    }
    all
}

/// Copies a folder of plain files and folders.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() && entry.file_name() != ".terraform" {
            std::fs::create_dir(&target)?;
            copy(&source, &target)?;
        } else if kind.is_file() {
            std::fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

fn lost(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Ended {
    let failed = Error::file(doing, path);
    move |error| Ended::Lost(failed(error))
}

impl Ended {
    /// The kind of failure, if it is one.
    pub(super) fn kind(&self) -> Option<&Kind> {
        match self {
            Self::Failed(failure) => Some(&failure.kind),
            Self::Lost(_) => None,
        }
    }
}
