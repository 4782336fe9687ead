//! Who listens on a TCP port of this machine.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The listening state in /proc/net/tcp (the kernel's include/net/tcp_states.h).
const LISTEN: &str = "0A";

/// The process that listens on `port`, as `name (pid N)`, as far as this user may see it.
pub fn owner(port: u16) -> Option<String> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| listening_inode(&table, port))
        .and_then(|inode| process_of(&inode))
}

/// The socket's inode, from a table of the form that proc(5) gives under /proc/net/tcp.
fn listening_inode(table: &str, port: u16) -> Option<String> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_whitespace();
        let local = columns.nth(1)?;
        let state = columns.nth(1)?;
        let inode = columns.nth(5)?;
        let found = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
        (found == port && state == LISTEN).then(|| inode.to_owned())
    })
}

fn process_of(inode: &str) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let holds = |process: &Path| {
        let files = fs::read_dir(process.join("fd"))
            .ok()
            .into_iter()
            .flatten()
            .flatten();
        files
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|target| target.as_os_str().as_bytes() == wanted.as_bytes())
    };
    processes
        .filter(|entry| entry.file_name().as_bytes().iter().all(u8::is_ascii_digit))
        .find(|entry| holds(&entry.path()))
        .map(|entry| {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let pid = entry.file_name();
            format!("{} (pid {})", name.trim(), pid.to_string_lossy())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let found = owner(port).unwrap();
        assert!(found.contains(&format!("pid {}", std::process::id())), "{found}");
        drop(listener);
        assert_eq!(owner(port), None);
    }

    proptest::proptest! {
        #[test]
        fn hostile_tables_never_panic(table in ".{0,300}", port: u16) {
            let _ = listening_inode(&table, port);
        }
    }
}
