//! Ctrl-C and SIGTERM. Terraform that is killed has not noted what it was making, which is then in the next run's way; so
//! while it runs it is asked to end, and waited for.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};

/// What a shell says of a program that SIGINT has ended.
const INTERRUPTED: i32 = 130;

/// Listens to both signals, as long as the process lives.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupts(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// The process id of the Terraform that runs; 0: none does.
    terraform: AtomicI32,
    told: AtomicBool,
}

/// While it is there, a signal is for Terraform.
pub(super) struct PassedOn<'a>(&'a AtomicI32);

impl Interrupts {
    pub(super) fn listen() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let interrupts = Self::default();
        let heard = interrupts.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => heard.pass_on(),
                    // What ends programs sends it after SIGINT, and Terraform that is asked twice ends without its notes.
                    _ = terminate.recv() => if !heard.told() { heard.pass_on() },
                }
            }
        });
        Ok(interrupts)
    }

    /// Ends this program where Terraform does not run: nothing is in its middle then.
    fn pass_on(&self) {
        let pid = self.0.terraform.load(Ordering::SeqCst);
        if pid == 0 {
            std::process::exit(INTERRUPTED);
        }
        self.0.told.store(true, Ordering::SeqCst);
        eprintln!("==> terraform is asked to end, and notes first what it has made");
        // It may have ended this very moment.
        let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
    }

    /// From now on signals are for `terraform`, which must be in a process group of its own: a terminal would tell it too.
    pub(super) fn to(&self, terraform: &Child) -> PassedOn<'_> {
        let pid = terraform.id().and_then(|pid| i32::try_from(pid).ok());
        self.0.terraform.store(pid.unwrap_or_default(), Ordering::SeqCst);
        PassedOn(&self.0.terraform)
    }

    /// Whether a Terraform was asked to end.
    pub(super) fn told(&self) -> bool {
        self.0.told.load(Ordering::SeqCst)
    }
}

impl Drop for PassedOn<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::SeqCst);
    }
}
