//! What runs on this machine, from /proc.

use crate::programs::run;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a process that was killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(30);

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
        // It has its files and locks until the last of its threads is gone.
        let deadline = Instant::now() + PATIENCE;
        while is_alive(self.pid) {
            assert!(Instant::now() < deadline, "process {} does not die", self.pid);
            std::thread::sleep(Duration::from_millis(10));
        }
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

/// The processes that `parent` has started and that still run.
pub fn children_of(parent: u32) -> Vec<Process> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            (parent_of(pid)? == parent).then_some(())?;
            let line = line_of(pid)?;
            Some(Process { pid, line })
        })
        .collect()
}

fn line_of(pid: u32) -> Option<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&line).replace('\0', " "))
}

/// Whether a process still has threads that run, and so files and locks. What nobody has waited for yet has not.
fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let is_dead = stat
        .rsplit_once(')')
        .is_some_and(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']));
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    !is_dead || threads > 1
}

/// The fourth field of proc_pid_stat(5), after the name in parentheses.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
