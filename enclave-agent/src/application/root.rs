//! The application's file system: the image's files and what a container engine adds to them, and nothing of the
//! agent's.

use super::devices;
use super::plan::Plan;
use super::step::{RootError, directory, failed, mount_at};
use crate::{mounts, sys};
use contract::image::Xattr;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::ffi::CString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

/// Kernel interfaces that let root change the whole system, or see what is not the application's (Docker's lists).
/// /proc/sys among them: whoever writes `kernel.core_pattern` has a program run as the agent.
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];
const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Makes the image's files the root of this process's mount namespace, and completes them. Needs a mount namespace of
/// its own.
pub(super) fn enter(plan: &Plan) -> Result<(), RootError> {
    move_into(&plan.root)?;
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_at("proc", "/proc", quiet, "")?;
    mount_at("sysfs", "/sys", quiet | MsFlags::MS_RDONLY, "")?;
    devices::make(plan.nsm)?;
    for path in READ_ONLY {
        protect(path)?;
    }
    for path in MASKED {
        mask(path)?;
    }
    directory("/tmp", 0o1777)?;
    directory(&plan.working_dir, 0o755)?;
    name(&plan.hostname)?;
    set_xattrs(&plan.xattrs);
    Ok(())
}

/// As switch_root does it, since the root of an initramfs cannot be pivoted: bound onto itself, moved over the old
/// root, entered. Device nodes in the image are dead. The agent's own mounts go first: beneath the new root they would
/// still count as visible, and let user namespaces mount them anew, unprotected.
fn move_into(root: &Path) -> Result<(), RootError> {
    let none = None::<&str>;
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, flags, none).map_err(failed("keep its mounts to itself"))?;
    let bind = || {
        mount(Some(root), root, none, MsFlags::MS_BIND, none)?;
        mount(
            none,
            root,
            none,
            MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_NODEV,
            none,
        )
    };
    bind().map_err(failed(format!("bind {}", root.display())))?;
    for (_, target) in mounts::SYSTEM {
        // One that is not mounted is not in the way.
        let _ = umount2(target, MntFlags::MNT_DETACH);
    }
    let enter = || {
        nix::unistd::chdir(root)?;
        mount(Some("."), "/", none, MsFlags::MS_MOVE, none)?;
        nix::unistd::chroot(".")?;
        nix::unistd::chdir("/")
    };
    enter().map_err(failed("enter it"))
}

/// Makes what is at `path` read-only, where it is.
fn protect(path: &str) -> Result<(), RootError> {
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let none = None::<&str>;
    let bound = mount(Some(path), path, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).and_then(|()| {
        mount(
            none,
            path,
            none,
            MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | quiet,
            none,
        )
    });
    unless_missing(bound).map_err(failed(format!("protect {path}")))
}

/// Covers what is at `path`, where it is: a directory with an empty one, a file with /dev/null.
fn mask(path: &str) -> Result<(), RootError> {
    let none = None::<&str>;
    let masked = if Path::new(path).is_dir() {
        mount(
            Some("tmpfs"),
            path,
            Some("tmpfs"),
            MsFlags::MS_RDONLY,
            Some("size=0k"),
        )
    } else {
        mount(Some("/dev/null"), path, none, MsFlags::MS_BIND, none)
    };
    unless_missing(masked).map_err(failed(format!("mask {path}")))
}

fn unless_missing(outcome: nix::Result<()>) -> nix::Result<()> {
    match outcome {
        Err(Errno::ENOENT) => Ok(()),
        other => other,
    }
}

/// Gives the application its host name, in the kernel and in the files that name it, where the image has none.
fn name(hostname: &str) -> Result<(), RootError> {
    // Without a namespace of its own the name would be the agent's; it has no use for it.
    nix::unistd::sethostname(hostname).map_err(failed("set the host name"))?;
    let hosts = format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    let files = [
        ("/etc/hostname", format!("{hostname}\n")),
        ("/etc/hosts", hosts),
        (
            "/etc/resolv.conf",
            "# An enclave has no network, and so no name server.\n".to_owned(),
        ),
    ];
    for (path, content) in files {
        let written = directory("/etc", 0o755).map_err(io::Error::other).and_then(|()| {
            let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
            file.write_all(content.as_bytes())
        });
        match written {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => crate::say!("{path}: {error}"),
            _ => {}
        }
    }
    Ok(())
}

/// An attribute that cannot be set is said, in the application's output: the rest of the image works without it.
fn set_xattrs(xattrs: &[Xattr]) {
    for xattr in xattrs {
        let set = || {
            let path = CString::new(format!("/{}", xattr.path))?;
            sys::set_xattr(&path, &CString::new(&*xattr.name)?, &xattr.value)
        };
        if let Err(error) = set() {
            crate::say!("cannot set {} of /{}: {error}", xattr.name, xattr.path);
        }
    }
}
