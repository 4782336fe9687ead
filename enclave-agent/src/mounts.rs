//! The file systems of the agent itself. The application has its own: see [`crate::application`].

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use std::{fs, io};

/// A file system of the agent's that cannot be mounted.
#[derive(Debug, thiserror::Error)]
#[error("cannot mount {target}: {source}; does the enclave's kernel have this file system?")]
pub struct MountError {
    /// Where it belongs.
    target: &'static str,
    /// What the kernel said.
    source: io::Error,
}

/// What the agent mounts, and where: what it sees of the kernel, all of it hidden from the application.
pub(crate) const SYSTEM: [(&str, &str); 3] = [("devtmpfs", "/dev"), ("proc", "/proc"), ("sysfs", "/sys")];

/// Mounts the agent's file systems; those that the kernel mounted by itself stay.
pub fn mount_system() -> Result<(), MountError> {
    for (kind, target) in SYSTEM {
        let failed = |source| MountError { target, source };
        fs::create_dir_all(target).map_err(failed)?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        match mount(Some(kind), target, Some(kind), flags, None::<&str>) {
            Ok(()) | Err(Errno::EBUSY) => {}
            Err(errno) => return Err(failed(errno.into())),
        }
    }
    Ok(())
}
