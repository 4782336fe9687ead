//! What runs the guest's instructions.

use super::PROGRAM;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// How long QEMU may take to say whether KVM works.
const PROBE_TIME: Duration = Duration::from_secs(10);

/// What runs the guest's instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceleration {
    /// The processor itself, through KVM.
    Kvm,
    /// QEMU's translator.
    Tcg {
        /// Why not KVM.
        reason: String,
    },
}

impl Acceleration {
    /// The best that works here. The first call tries KVM out, which takes a moment.
    pub fn probe() -> Acceleration {
        static FOUND: OnceLock<Acceleration> = OnceLock::new();
        FOUND
            .get_or_init(|| {
                try_kvm().map_or_else(|reason| Acceleration::Tcg { reason }, |()| Acceleration::Kvm)
            })
            .clone()
    }
}

impl fmt::Display for Acceleration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Acceleration::Kvm => write!(f, "KVM"),
            Acceleration::Tcg { reason } => write!(f, "TCG ({reason})"),
        }
    }
}

/// `/dev/kvm` says nothing: under some hypervisors it is there and ordinary guests abort or hang.
fn try_kvm() -> Result<(), String> {
    if !["kvm_intel", "kvm_amd"]
        .iter()
        .any(|module| Path::new("/sys/module").join(module).exists())
    {
        return Err("neither kvm_intel nor kvm_amd is loaded".into());
    }
    let mut child = Command::new(PROGRAM)
        .args([
            "-accel",
            "kvm",
            "-cpu",
            "host",
            "-machine",
            "microvm",
            "-m",
            "64M",
            "-nodefaults",
            "-display",
            "none",
            "-S",
        ])
        .args(["-qmp", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{PROGRAM}: {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        use std::io::Write;
        // If it has ended already, its exit says so.
        let _ = input.write_all(b"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"quit\"}\n");
    }
    let deadline = Instant::now() + PROBE_TIME;
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("QEMU with KVM ended with {status}")),
            Ok(None) => thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(format!("waiting for QEMU: {error}")),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(format!(
        "QEMU with KVM did not answer in {} s",
        PROBE_TIME.as_secs()
    ))
}
