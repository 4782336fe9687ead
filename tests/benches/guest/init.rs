//! The least that boots: as process 1 it sends the heartbeat and waits; as the application of an image (`guest wait`) it waits. Standard
//! library only; `scripts/bench.sh` compiles it with rustc for x86_64-unknown-linux-musl.

use std::fs::File;
use std::io::{Error, Read, Result, Write};
use std::os::fd::{AsRawFd, FromRawFd};

const AF_VSOCK: i32 = 40;
const SOCK_STREAM: i32 = 1;
const PARENT_CID: u32 = 3;
const HEARTBEAT: u32 = 9000;

/// `struct sockaddr_vm` of vsock(7).
#[repr(C)]
struct Address {
    family: u16,
    reserved: u16,
    port: u32,
    cid: u32,
    zero: [u8; 4],
}

unsafe extern "C" {
    fn socket(domain: i32, kind: i32, protocol: i32) -> i32;
    fn connect(fd: i32, address: *const Address, len: u32) -> i32;
}

fn checked(result: i32) -> Result<i32> {
    if result < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn send_heartbeat() -> Result<()> {
    let parent = Address {
        family: AF_VSOCK as u16,
        reserved: 0,
        port: HEARTBEAT,
        cid: PARENT_CID,
        zero: [0; 4],
    };
    // SAFETY: the descriptor is new, and `File` is its only owner.
    let mut stream = unsafe { File::from_raw_fd(checked(socket(AF_VSOCK, SOCK_STREAM, 0))?) };
    // SAFETY: the address is whole, and its length is given.
    checked(unsafe { connect(stream.as_raw_fd(), &parent, size_of::<Address>() as u32) })?;
    stream.write_all(&[0xB7])?;
    stream.read_exact(&mut [0])
}

fn main() {
    if std::env::args().nth(1).as_deref() != Some("wait")
        && let Err(error) = send_heartbeat()
    {
        println!("no heartbeat: {error}");
    }
    loop {
        std::thread::park();
    }
}
