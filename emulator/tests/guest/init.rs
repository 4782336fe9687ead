//! Process 1 of the guest that the tests boot: a heartbeat, then one command a connection to port 5000.
//! Standard library only; the tests compile it with rustc for x86_64-unknown-linux-musl.

use std::fs::File;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const AF_VSOCK: i32 = 40;
const CID_ANY: u32 = u32::MAX;
const PERIOD: usize = 251;
const SHUT_WR: i32 = 1;
const RB_AUTOBOOT: i32 = 0x0123_4567;

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
    fn bind(fd: i32, address: *const Address, len: u32) -> i32;
    fn listen(fd: i32, backlog: i32) -> i32;
    fn accept(fd: i32, address: *const Address, len: *mut u32) -> i32;
    fn shutdown(fd: i32, how: i32) -> i32;
    fn reboot(how: i32) -> i32;
}

/// Bytes that all connections have written or read so far.
static WRITTEN: AtomicU64 = AtomicU64::new(0);
static READ: AtomicU64 = AtomicU64::new(0);

fn address(cid: u32, port: u32) -> Address {
    Address { family: AF_VSOCK as u16, reserved: 0, port, cid, zero: [0; 4] }
}

fn checked(result: i32) -> Result<i32> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}

fn vsock() -> Result<File> {
    Ok(unsafe { File::from_raw_fd(checked(socket(AF_VSOCK, 1, 0))?) })
}

fn dial(cid: u32, port: u32) -> Result<File> {
    let stream = vsock()?;
    checked(unsafe { connect(stream.as_raw_fd(), &address(cid, port), 16) })?;
    Ok(stream)
}

/// Writes `total` bytes of the pattern, `size` at a time; the byte at `i` is `i % PERIOD`.
fn source(stream: &mut File, total: usize, size: usize) -> Result<()> {
    let pattern: Vec<u8> = (0..PERIOD + size).map(|i| (i % PERIOD) as u8).collect();
    let mut done = 0;
    while done < total {
        let start = done % PERIOD;
        let count = stream.write(&pattern[start..start + size.min(total - done)])?;
        done += count;
        WRITTEN.fetch_add(count as u64, Ordering::Relaxed);
    }
    Ok(())
}

/// Reads the pattern to the end and returns how much there was.
fn sink(stream: &mut impl Read) -> Result<usize> {
    let mut buffer = vec![0; 256 * 1024];
    let pattern: Vec<u8> = (0..PERIOD + buffer.len()).map(|i| (i % PERIOD) as u8).collect();
    let mut done = 0;
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(done);
        }
        let start = done % PERIOD;
        if buffer[..count] != pattern[start..start + count] {
            return Err(ErrorKind::InvalidData.into());
        }
        done += count;
        READ.fetch_add(count as u64, Ordering::Relaxed);
    }
}

fn echo(input: &mut impl Read, output: &mut File) -> Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = input.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        output.write_all(&buffer[..count])?;
    }
}

fn serve(stream: File) -> Result<()> {
    let mut output = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    let mut line = String::new();
    input.read_line(&mut line)?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |i: usize| words.get(i).and_then(|word| word.parse::<usize>().ok()).unwrap_or(0);
    match words[..] {
        ["echo"] => echo(&mut input, &mut output)?,
        ["source", ..] => source(&mut output, number(1), number(2))?,
        ["sink"] => {
            let count = sink(&mut input);
            writeln!(output, "{count:?}")?;
        }
        // The same for so many bytes, without an end to wait for.
        ["take", ..] => {
            let count = sink(&mut input.by_ref().take(number(1) as u64));
            writeln!(output, "{count:?}")?;
        }
        // Says all it has to say first, and listens afterwards.
        ["half-close"] => {
            output.write_all(b"that is all")?;
            unsafe { shutdown(output.as_raw_fd(), SHUT_WR) };
            sink(&mut input)?;
        }
        ["dial", ..] => {
            let answer = dial(number(1) as u32, number(2) as u32);
            match answer {
                Ok(mut stream) => {
                    stream.write_all(b"hello")?;
                    let mut heard = String::new();
                    stream.read_to_string(&mut heard)?;
                    writeln!(output, "connected {heard}")?;
                }
                Err(error) => writeln!(output, "{:?}", error.kind())?,
            }
        }
        // Dials the NSM's port, sends a frame of 32-bit length and returns what comes back.
        ["nsm"] => {
            let request = *b"\x6bDescribeNSM";
            let answer = dial(3, 7071).and_then(|mut stream| {
                stream.write_all(&(request.len() as u32).to_be_bytes())?;
                stream.write_all(&request)?;
                let mut len = [0; 4];
                stream.read_exact(&mut len)?;
                let mut answer = vec![0; u32::from_be_bytes(len) as usize];
                stream.read_exact(&mut answer)?;
                Ok(String::from_utf8_lossy(&answer).into_owned())
            });
            match answer {
                Ok(answer) => writeln!(output, "{answer}")?,
                Err(error) => writeln!(output, "{:?}", error.kind())?,
            }
        }
        ["counters"] => {
            writeln!(output, "{} {}", WRITTEN.load(Ordering::Relaxed), READ.load(Ordering::Relaxed))?;
        }
        ["panic"] => std::process::exit(3),
        ["reboot"] => {
            unsafe { reboot(RB_AUTOBOOT) };
        }
        _ => writeln!(output, "what is {line:?}?")?,
    }
    Ok(())
}

fn run() -> Result<()> {
    let listener = vsock()?;
    checked(unsafe { bind(listener.as_raw_fd(), &address(CID_ANY, 5000), 16) })?;
    checked(unsafe { listen(listener.as_raw_fd(), 64) })?;
    // The kernel passes on what it does not know of its command line.
    if !std::env::args().any(|argument| argument == "no-heartbeat") {
        let mut heartbeat = dial(3, 9000)?;
        heartbeat.write_all(&[0xB7])?;
        heartbeat.read_exact(&mut [0])?;
    }
    println!("guest: up");
    loop {
        let fd = checked(unsafe { accept(listener.as_raw_fd(), std::ptr::null(), std::ptr::null_mut()) })?;
        let stream = unsafe { File::from_raw_fd(fd) };
        thread::spawn(move || {
            if let Err(error) = serve(stream) {
                println!("guest: {error}");
            }
        });
    }
}

fn main() {
    if let Err(error) = run() {
        println!("guest: {error}");
    }
}
