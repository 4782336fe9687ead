//! The emulated account as a process: `scripts/estate/account.py`, which says what it is and what it is not.

use super::account::{Account, CallError};
use crate::programs::{run, target, top};
use serde_json::Value;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// The region of everything.
const REGION: &str = "us-west-2";

/// An emulated account. It ends when it is dropped, with all tasks that it runs.
#[derive(Debug)]
pub struct Emulated {
    process: Child,
    folder: PathBuf,
    account: Account,
}

impl Emulated {
    /// A port that is free now, for an account that others must know of before it starts.
    pub fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
    }

    /// The account that will be at `port`.
    pub fn account_at(port: u16) -> Account {
        Account::at(format!("http://127.0.0.1:{port}"), REGION)
    }

    /// Starts one at `port`, with its files in `folder`. Its state machines invoke functions at `lambda_service`, and its
    /// tasks run `fargate`; none: there is no such thing.
    pub fn start(folder: &Path, port: u16, lambda_service: Option<&str>, fargate: Option<&Path>) -> Self {
        let python = python();
        assert!(
            python.is_file(),
            "{} is missing: scripts/estate/setup.sh",
            python.display()
        );
        fs::create_dir_all(folder).unwrap();
        let log = File::create(folder.join("account.log")).unwrap();
        let mut command = Command::new(python);
        command
            .arg(top().join("scripts/estate/account.py"))
            .arg(folder)
            .args(["--port", &port.to_string()])
            .envs(lambda_service.map(|service| ("TREZA_LAMBDA_SERVICE", service)))
            .envs(fargate.map(|program| ("TREZA_FARGATE", program)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let mut process = command.spawn().unwrap();
        let begun = Instant::now();
        while !folder.join("address").exists() {
            let log = || fs::read_to_string(folder.join("account.log")).unwrap_or_default();
            assert!(
                matches!(process.try_wait(), Ok(None)),
                "the account ended: {}",
                log()
            );
            assert!(
                begun.elapsed() < PATIENCE,
                "the account does not come up: {}",
                log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Self {
            process,
            folder: folder.to_owned(),
            account: Self::account_at(port),
        }
    }

    /// Starts one by itself: no functions, and nothing for its tasks. None, and a word, where what it stands on is missing.
    pub fn alone(folder: &Path) -> Option<Self> {
        if !python().is_file() {
            println!(
                "skipped: {} is missing; scripts/test.sh makes it",
                python().display()
            );
            return None;
        }
        Some(Self::start(folder, Self::free_port(), None, None))
    }

    /// Its APIs.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Its files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lets calls fail: a list as in `scripts/estate/faults.py`.
    pub async fn refuse(&self, faults: &Value) -> Result<(), CallError> {
        self.account
            .post_json("faults", "/faults", faults)
            .await
            .map(drop)
    }

    /// The calls that are still to fail, as in [`Emulated::refuse`].
    pub async fn refused(&self) -> Result<Value, CallError> {
        self.account.get_json("faults", "/faults").await
    }

    /// Lets no call fail any more that was to fail.
    pub async fn accept(&self) -> Result<(), CallError> {
        self.account.delete("faults", "/faults").await
    }

    /// Every call that it was asked for since it began, as `service:Action`: `scripts/estate/calls.py`.
    pub fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What its tasks wrote, one text each.
    pub fn task_logs(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join("tasks"))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .map(|entry| fs::read_to_string(entry.path()).unwrap_or_default())
            .collect()
    }
}

/// The interpreter, with moto.
fn python() -> PathBuf {
    target().join("estate-venv/bin/python")
}

impl Drop for Emulated {
    fn drop(&mut self) {
        // In good order, so that it ends its tasks.
        if matches!(self.process.try_wait(), Ok(None)) {
            run("/bin/kill", ["-TERM", &self.process.id().to_string()]);
        }
        let begun = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
