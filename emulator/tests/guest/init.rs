//! Process 1 of the guest that the tests boot: a heartbeat, then one command a connection to port 5000.
//! Standard library only; the tests compile it with rustc for x86_64-unknown-linux-musl.

mod vsock;

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Result, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use vsock::{Address, checked, dial, send_heartbeat};

const CID_ANY: u32 = u32::MAX;
const COMMANDS: u32 = 5000;
const PERIOD: usize = 251;
const LARGEST: usize = 256 << 10;
const SHUT_WR: i32 = 1;
const RB_AUTOBOOT: i32 = 0x0123_4567;

unsafe extern "C" {
    fn bind(fd: i32, address: *const Address, len: u32) -> i32;
    fn listen(fd: i32, backlog: i32) -> i32;
    fn accept(fd: i32, address: *const Address, len: *mut u32) -> i32;
    fn shutdown(fd: i32, how: i32) -> i32;
    fn reboot(how: i32) -> i32;
}

/// Bytes that all connections have written or read so far.
static WRITTEN: AtomicU64 = AtomicU64::new(0);
static READ: AtomicU64 = AtomicU64::new(0);

/// Writes `total` bytes of the pattern, `size` at a time, or, if that is 0, of every size, doubling from 1 byte to
/// 256 KiB and then from 1 again; the byte at `i` is `i % PERIOD`.
fn source(stream: &mut File, total: usize, size: usize) -> Result<()> {
    let pattern: Vec<u8> = (0..PERIOD + size.max(LARGEST)).map(|i| (i % PERIOD) as u8).collect();
    let every = (0..=LARGEST.ilog2()).map(|power| 1 << power).cycle();
    let mut done = 0;
    for power in every {
        if done == total {
            break;
        }
        let (start, size) = (done % PERIOD, if size == 0 { power } else { size });
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
    let number = |i: usize| {
        words
            .get(i)
            .and_then(|word| word.parse::<usize>().ok())
            .unwrap_or(0)
    };
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
            writeln!(
                output,
                "{} {}",
                WRITTEN.load(Ordering::Relaxed),
                READ.load(Ordering::Relaxed)
            )?;
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
    let listener = vsock::stream()?;
    let address = Address::new(CID_ANY, COMMANDS);
    checked(unsafe { bind(listener.as_raw_fd(), &address, Address::SIZE) })?;
    checked(unsafe { listen(listener.as_raw_fd(), 64) })?;
    // The kernel passes on what it does not know of its command line.
    if !std::env::args().any(|argument| argument == "no-heartbeat") {
        send_heartbeat()?;
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
