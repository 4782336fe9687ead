//! Terraform on one host: a folder of its own, each change planned first and the very plan applied.

use super::Error;
use super::diagnosis::{Failure, Kind, Transcript};
use super::process::{End, Process};
use super::settings::Settings;
use super::stop::Stop;
use super::variables::state_key;
use serde_json::{Map, Value};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// How long Terraform may wait for its own lock. Who has the lease waits for no other run: a lock that stays was left.
const LOCK_TIMEOUT: &str = "-lock-timeout=10s";
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
    stop: Stop,
}

impl Terraform {
    /// Copies the module, and connects it to the state of the row's host.
    pub(super) async fn open(settings: &Settings, stop: Stop) -> Run<Self> {
        let folder = tempfile::tempdir().map_err(lost("make a folder in", &std::env::temp_dir()))?;
        copy(&settings.module, folder.path()).map_err(lost("copy the module", &settings.module))?;
        let terraform = Self {
            program: settings.terraform.clone(),
            folder,
            stop,
        };
        let mut arguments: Vec<OsString> = vec!["init".into(), "-json".into(), "-input=false".into()];
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

    /// The outputs of what there is; none of nothing. They are told even if the run is to end: with them it is done.
    pub(super) async fn outputs(&self) -> Run<Map<String, Value>> {
        let mut child = self
            .command(&["output".into(), "-json".into()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
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
        self.stop.check().map_err(Ended::Lost)?;
        let what = arguments.first().map(OsString::as_os_str).unwrap_or_default();
        tracing::info!(command = ?what, "terraform begins");
        let process = Process::start(&mut self.command(arguments)).map_err(lost("start", &self.program))?;
        let done = process.done(&self.stop).await;
        let done = done.map_err(lost("wait for", &self.program))?;
        match done.end {
            End::Exit(status) if status.success() => Ok(()),
            End::Told => Err(Ended::Lost(Error::Terminated)),
            end => {
                let failure = done.transcript.failure(&format!("{} {end}", what.display()));
                Err(Ended::Failed(failure))
            }
        }
    }

    fn command(&self, arguments: &[OsString]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .stdin(Stdio::null())
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
