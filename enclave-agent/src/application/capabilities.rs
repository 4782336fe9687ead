//! What an application that is root may do: what Docker grants by default, but not make device nodes, which would
//! give it the secure module.

use crate::sys;
use std::io;

// linux/capability.h
const CHOWN: u32 = 0;
const DAC_OVERRIDE: u32 = 1;
const FOWNER: u32 = 3;
const FSETID: u32 = 4;
const CAP_KILL: u32 = 5;
const SETGID: u32 = 6;
const SETUID: u32 = 7;
const SETPCAP: u32 = 8;
const NET_BIND_SERVICE: u32 = 10;
const NET_RAW: u32 = 13;
const SYS_CHROOT: u32 = 18;
const AUDIT_WRITE: u32 = 29;
const SETFCAP: u32 = 31;

/// The application's.
const GRANTED: u64 = 1 << CHOWN
    | 1 << DAC_OVERRIDE
    | 1 << FOWNER
    | 1 << FSETID
    | 1 << CAP_KILL
    | 1 << SETGID
    | 1 << SETUID
    | 1 << SETPCAP
    | 1 << NET_BIND_SERVICE
    | 1 << NET_RAW
    | 1 << SYS_CHROOT
    | 1 << AUDIT_WRITE
    | 1 << SETFCAP;

/// What the application's first process needs while it runs: to signal every user's processes.
pub(super) const KILL: u64 = 1 << CAP_KILL;

/// Takes all that is not granted from the bounding set, so that no file and no user can give it back. Needs
/// CAP_SETPCAP.
pub(super) fn bound() -> io::Result<()> {
    for capability in 0..64 {
        if GRANTED & (1 << capability) == 0 && !sys::drop_from_bounding_set(capability)? {
            break;
        }
    }
    Ok(())
}

/// Gives a process that has become the user `uid` what it is granted: root all of it, anyone else nothing.
pub(super) fn take(uid: u32) -> io::Result<()> {
    sys::set_capabilities(if uid == 0 { GRANTED } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_granted_are_dockers_without_mknod() {
        // Docker's default, CapEff of a container's root: 00000000a80425fb; MKNOD is bit 27.
        assert_eq!(GRANTED, 0xa804_25fb & !(1 << 27));
    }
}
