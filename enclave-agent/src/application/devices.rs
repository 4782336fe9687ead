//! The application's /dev: what a container engine puts there, and the secure module if the image asks for it.

use super::step::{RootError, failed, mount_at};
use nix::mount::MsFlags;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// Name, and device number (Documentation/admin-guide/devices.txt of Linux).
const NODES: [(&str, u64, u64); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// Makes /dev; `nsm` is the device number of the secure module, for an application that may use it.
pub(super) fn make(nsm: Option<u64>) -> Result<(), RootError> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount_at("tmpfs", "/dev", plain, "mode=755,size=64m")?;
    mount_at(
        "devpts",
        "/dev/pts",
        plain,
        "newinstance,ptmxmode=0666,mode=0620,gid=5",
    )?;
    mount_at("tmpfs", "/dev/shm", plain | MsFlags::MS_NODEV, "mode=1777")?;
    if let Err(missing) = mount_at("mqueue", "/dev/mqueue", plain | MsFlags::MS_NODEV, "") {
        crate::say!("{missing}");
    }
    for (name, major, minor) in NODES {
        node(name, makedev(major, minor))?;
    }
    for (target, name) in LINKS {
        symlink(target, format!("/dev/{name}")).map_err(failed(format!("make /dev/{name}")))?;
    }
    nsm.map_or(Ok(()), |number| node("nsm", number))
}

/// A character device that every user may use.
fn node(name: &str, number: u64) -> Result<(), RootError> {
    let path = format!("/dev/{name}");
    let made = mknod(
        path.as_str(),
        SFlag::S_IFCHR,
        Mode::from_bits_truncate(0o666),
        number,
    );
    made.map_err(std::io::Error::from)
        .and_then(|()| fs::set_permissions(&path, PermissionsExt::from_mode(0o666)))
        .map_err(failed(format!("make {path}")))
}
