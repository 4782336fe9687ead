//! The runner as a process.

use crate::PATIENCE;
use end_to_end::processes;
use end_to_end::programs::run;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

fn kill(signal: &str, pid: i64) {
    run("/bin/kill", [signal, "--", &pid.to_string()]);
}

/// A run that goes on.
pub(crate) struct Run {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    output: String,
}

impl Run {
    /// Starts it with this environment and no other.
    pub(crate) fn start(program: &Path, command: &str, environment: &BTreeMap<&str, &str>) -> Self {
        let mut child = Command::new(program)
            .arg(command)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            stdout: BufReader::new(child.stdout.take().unwrap()).lines(),
            output: String::new(),
            child,
        }
    }

    /// Tells it to end, as Fargate does.
    pub(crate) fn terminate(&self) {
        kill("-TERM", self.pid());
    }

    /// Kills it.
    pub(crate) fn kill(&self) {
        kill("-KILL", self.pid());
    }

    /// Kills it and its Terraform, as a machine that is lost does.
    pub(crate) fn kill_all(&self) {
        let children = processes::children_of(self.pid().try_into().unwrap());
        assert!(!children.is_empty(), "no Terraform runs");
        kill("-KILL", self.pid());
        for child in children {
            // It leads a group.
            kill("-KILL", -i64::from(child.pid));
        }
    }

    fn pid(&self) -> i64 {
        self.child.id().unwrap().into()
    }

    /// Waits until it says `words`, on a line of its log.
    pub(crate) async fn says(&mut self, words: &str) {
        let said = async {
            while let Some(line) = self.stdout.next_line().await.unwrap() {
                self.output.push_str(&line);
                self.output.push('\n');
                if line.contains(words) {
                    return;
                }
            }
            panic!("it ended and never said {words:?}: {}", self.output);
        };
        let said = tokio::time::timeout(PATIENCE, said).await;
        assert!(said.is_ok(), "it does not say {words:?}: {}", self.output);
    }

    pub(crate) async fn ended(mut self) -> Ended {
        let mut errors = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        let rest = async {
            while let Some(line) = self.stdout.next_line().await.unwrap() {
                self.output.push_str(&line);
                self.output.push('\n');
            }
        };
        let ((), read) = tokio::join!(rest, stderr.read_to_string(&mut errors));
        read.unwrap();
        Ended {
            status: self.child.wait().await.unwrap(),
            output: self.output + &errors,
        }
    }
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    status: ExitStatus,
    pub(crate) output: String,
}

impl Ended {
    pub(crate) fn success(&self) -> bool {
        self.status.success()
    }

    pub(crate) fn said(&self, words: &str) -> bool {
        self.output.contains(words)
    }
}
