//! The programs under test, run as a user runs them.

use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The checkout.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Where the build leaves what it made: `target`.
pub fn target() -> PathBuf {
    top().join("target")
}

/// The folder of the programs: `TREZA_PROGRAMS`, else `target/release`.
pub fn programs() -> PathBuf {
    std::env::var_os("TREZA_PROGRAMS").map_or_else(|| target().join("release"), PathBuf::from)
}

/// The folder of bundles: `TREZA_BUNDLES`, else `target/bundles`.
pub fn bundles() -> PathBuf {
    std::env::var_os("TREZA_BUNDLES").map_or_else(|| target().join("bundles"), PathBuf::from)
}

/// One of the programs, with the bundles and without a setting of the user's.
pub fn program(name: &str) -> Command {
    let path = programs().join(name);
    assert!(
        path.is_file(),
        "{} is missing: `make programs bundle`",
        path.display()
    );
    let mut command = Command::new(path);
    command
        .env("TREZA_BUNDLES", bundles())
        .env_remove("TREZA_STATE_DIR")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    command
}

/// What a program answered.
#[derive(Debug)]
pub struct Answer {
    /// Its exit code; -1: a signal ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Answer {
    /// Runs `command` to its end.
    pub fn of(command: &mut Command) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = command
            .output()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    /// The answer of a command that must have worked.
    pub fn good(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// The JSON on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// All that it wrote.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs a helper of the system, which must work.
pub fn run<S: AsRef<OsStr>>(name: &str, words: impl IntoIterator<Item = S>) -> Answer {
    Answer::of(Command::new(name).args(words)).good()
}
