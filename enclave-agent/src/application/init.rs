//! The application's first process, process 1 of its PID namespace: it makes the file system, starts the program,
//! passes signals on, reaps what is left behind, and tells the agent how it ended.
//!
//! It is the agent's own program, started anew with [`ARGUMENT`], so that what happens between fork and exec is
//! ordinary code in a process with one thread.

use super::plan::{Outcome, Plan};
use super::{program, root};
use crate::sys;
use nix::sys::prctl;
use nix::unistd::{Pid, getpid, getppid};
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Write};

/// The argument by which the agent's program knows that it is to be this.
pub const ARGUMENT: &CStr = c"application";
/// The descriptor of the socket to the agent.
const LINK: i32 = 3;
/// More than the longest plan: an image's description and a launch message, with JSON's escapes.
const PLAN: u64 = 16 << 20;

/// Does all of the above; never returns.
pub fn run() -> ! {
    sys::block_signals();
    sys::close_from(LINK as u32 + 1);
    let mut link = sys::inherited(LINK);
    let outcome = start(&mut link).and_then(|program| supervise(program).map_err(unstartable));
    report(&mut link, &outcome.unwrap_or_else(|outcome| outcome));
    sys::exit_now(0)
}

fn start(link: &mut File) -> Result<Pid, Outcome> {
    // Not to be traced, nor looked into through /proc, by an application that is root in its namespace.
    prctl::set_dumpable(false).map_err(unstartable)?;
    prctl::set_child_subreaper(true).map_err(unstartable)?;
    let plan = read_plan(link).map_err(unstartable)?;
    root::enter(&plan).map_err(unstartable)?;
    match sys::fork().map_err(unstartable)? {
        Some(program) => Ok(program),
        None => {
            let outcome = program::execute(&plan);
            report(link, &outcome);
            sys::exit_now(126)
        }
    }
}

fn read_plan(link: &mut File) -> io::Result<Plan> {
    let mut told = Vec::new();
    link.take(PLAN).read_to_end(&mut told)?;
    Ok(serde_json::from_slice(&told)?)
}

fn unstartable(error: impl ToString) -> Outcome {
    Outcome::NotStarted {
        code: 126,
        reason: error.to_string(),
    }
}

/// The agent takes the first line: the program's own, where it could not be executed, before this process's.
fn report(link: &mut File, outcome: &Outcome) {
    let line = serde_json::to_string(outcome).unwrap_or_default() + "\n";
    // An agent that does not listen is no more.
    let _ = link.write_all(line.as_bytes());
}

/// Waits for the program's end. Signals that come from outside, so from the agent, go to all of the application.
fn supervise(program: Pid) -> io::Result<Outcome> {
    sys::set_capabilities(super::capabilities::KILL)?;
    let everyone = if getpid().as_raw() == 1 {
        -1
    } else {
        -program.as_raw()
    };
    loop {
        match sys::wait_for_signal() {
            Ok((libc::SIGCHLD, _)) => {
                if let Some(outcome) = reap(program) {
                    return Ok(outcome);
                }
            }
            Ok((signal, sender)) if sender == getppid().as_raw() => {
                // Nobody left to take it: then the end is near.
                let _ = sys::kill(everyone, signal);
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Reaps everyone who ended; the outcome if the program is among them.
fn reap(program: Pid) -> Option<Outcome> {
    while let Some((pid, status)) = sys::reap_any() {
        if pid == program {
            return Some(if libc::WIFEXITED(status) {
                Outcome::Exited(libc::WEXITSTATUS(status))
            } else {
                Outcome::Killed(libc::WTERMSIG(status))
            });
        }
    }
    None
}
