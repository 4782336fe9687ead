//! What runs on this machine, from /proc.

use crate::programs::run;
use std::fs;
use std::path::Path;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its command line, by spaces.
    pub line: String,
}

impl Process {
    /// Ends it without a word.
    pub fn kill(&self) {
        run("/bin/kill", ["-KILL", &self.pid.to_string()]);
    }
}

/// The processes of `folder`: those whose command line names it, and their children (a machine itself names nothing).
pub fn naming(folder: &Path) -> Vec<Process> {
    let folder = folder.to_str().unwrap();
    let names = |pid: u32| line_of(pid).is_some_and(|line| line.contains(folder));
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let line = line_of(pid)?;
            (line.contains(folder) || names(parent_of(pid)?)).then_some(Process { pid, line })
        })
        .collect()
}

fn line_of(pid: u32) -> Option<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&line).replace('\0', " "))
}

/// The fourth field of proc_pid_stat(5), after the name in parentheses.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
