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

/// The processes whose command line names `folder`.
pub fn naming(folder: &Path) -> Vec<Process> {
    let folder = folder.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(folder).then_some(Process { pid, line })
        })
        .collect()
}
