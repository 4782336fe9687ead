//! Processes, their time and their peak memory.
use std::{
    env,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::Outcome;

/// What a process took.
pub(crate) struct Took {
    pub(crate) time: Duration,
    /// KiB.
    pub(crate) memory: i64,
    pub(crate) output: String,
}

pub(crate) fn treza() -> Command {
    Command::new(env::var_os("TREZA_EIF").unwrap_or("treza-eif".into()))
}

pub(crate) fn peer() -> Command {
    beside("peer")
}

/// This program itself, for a yardstick.
pub(crate) fn yardstick(name: &str, file: &Path) -> Command {
    let mut command = beside("compare");
    command.arg(name).arg(file);
    command
}

fn beside(name: &str) -> Command {
    let folder = env::current_exe()
        .ok()
        .and_then(|it| Some(it.parent()?.to_owned()));
    Command::new(folder.unwrap_or_default().join(name))
}

/// Runs a command to its end; its errors go to the terminal.
pub(crate) fn run(command: &mut Command) -> Outcome<Took> {
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut output = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        std::io::Read::read_to_string(&mut stdout, &mut output)?;
    }
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: the child is ours and not yet waited for; both pointers are to values of the right type, and a rusage may be
    // all zeros.
    let (waited, usage) = unsafe {
        let waited = libc::wait4(child.id() as i32, &mut status, 0, usage.as_mut_ptr());
        (waited, usage.assume_init())
    };
    let time = start.elapsed();
    if waited < 0 || !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 0 {
        return Err(format!("{command:?} failed with {status}").into());
    }
    Ok(Took {
        time,
        memory: usage.ru_maxrss,
        output,
    })
}
