//! The enclave's network: the loopback interface, through which the host reaches the application.

use std::{fs, io};

/// Brings `lo` up, and lets any user listen on ports below 1024, as containers do.
pub fn bring_up() -> io::Result<()> {
    crate::sys::loopback_up()?;
    fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
}
