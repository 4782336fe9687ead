//! Boot time, and the throughput of the vsock device each way: 64 MiB in writes of every size, then at several sizes
//! against vhost-device-vsock, where that is in PATH.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by them"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use emulator::boot::BootImage;
use emulator::console::Console;
use emulator::enclave::connect;
use emulator::qemu::{Guest, Qemu};
use emulator::{Acceleration, Enclave, Machine};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use support::{EVERY, LARGEST, PATIENCE, SHARED, config, read_pattern, write_pattern};

const TOTAL: usize = 64 << 20;
/// The peer stalls for good at writes above 32 KiB.
const PEER_LIMIT: usize = 32 << 10;
const SIZES: [usize; 7] = [1, 64, 1 << 10, 4 << 10, 32 << 10, 64 << 10, LARGEST];
/// Writes of a few bytes cost a call each: so many of them say as much as more would.
const WRITES: usize = 200_000;
const BOOTS: usize = 10;
/// Ours and the peer take turns, and the ratio is the median of the rounds'.
const ROUNDS: usize = 9;

fn main() {
    let mut boots: Vec<Duration> = (0..BOOTS).map(|_| ours().1).collect();
    boots.sort();
    let milliseconds = |duration: &Duration| duration.as_millis();
    println!(
        "launch to heartbeat, {BOOTS} boots: {:?} ms",
        boots.iter().map(milliseconds).collect::<Vec<_>>()
    );

    let (our, _) = ours();
    println!(
        "{} MiB in writes of 1 B to {} KiB: guest to host {:.1} MiB/s, host to guest {:.1} MiB/s",
        TOTAL >> 20,
        LARGEST >> 10,
        from_guest(&our.path, TOTAL, EVERY),
        to_guest(&our.path, TOTAL, EVERY)
    );
    let peer = Peer::start();
    println!("at most 64 MiB and {WRITES} writes of a size, medians of {ROUNDS} rounds");
    println!(
        "{:>8}  {:>26}  {:>26}",
        "write", "guest to host (MiB/s)", "host to guest (MiB/s)"
    );
    for size in SIZES {
        let mut line = format!("{size:>8}");
        for measure in [from_guest, to_guest] {
            let total = TOTAL.min(size * WRITES);
            let peer = peer.as_ref().filter(|_| size <= PEER_LIMIT);
            let rounds: Vec<(f64, Option<f64>)> = (0..ROUNDS)
                .map(|_| {
                    let rate = measure(&our.path, total, size);
                    (rate, peer.map(|peer| measure(&peer.path, total, size)))
                })
                .collect();
            let rate = median(rounds.iter().map(|(rate, _)| *rate));
            let ratios = rounds
                .iter()
                .filter_map(|(rate, theirs)| theirs.map(|theirs| rate / theirs));
            let ratio = peer
                .map(|_| format!("{:.2} x", median(ratios)))
                .unwrap_or_default();
            line += &format!("  {rate:>14.2} {ratio:>11}");
        }
        println!("{line}");
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A guest behind some vsock device, and the socket to reach it by.
struct Ours {
    path: PathBuf,
    _enclave: Enclave,
    _directory: tempfile::TempDir,
}

fn ours() -> (Ours, Duration) {
    let directory = tempfile::tempdir().unwrap();
    let heartbeat = UnixListener::bind(directory.path().join("vsock.sock_9000")).unwrap();
    let begin = Instant::now();
    let enclave = Enclave::launch(config(directory.path(), 40)).unwrap();
    support::answer_heartbeat(&enclave, &heartbeat);
    let time = begin.elapsed();
    (
        Ours {
            path: enclave.vsock_path().to_owned(),
            _enclave: enclave,
            _directory: directory,
        },
        time,
    )
}

struct Peer {
    path: PathBuf,
    _qemu: Qemu,
    process: Child,
    _directory: tempfile::TempDir,
}

impl Peer {
    /// The same guest behind vhost-device-vsock. That answers CID 2 only, so the guest's heartbeat goes
    /// nowhere, and it serves without.
    fn start() -> Option<Peer> {
        let directory = tempfile::tempdir().unwrap();
        let (socket, path) = (directory.path().join("vhost"), directory.path().join("vsock"));
        let vm = format!(
            "guest-cid=41,socket={},uds-path={}",
            socket.display(),
            path.display()
        );
        let process = Command::new("vhost-device-vsock")
            .args(["--vm", &vm])
            .stdout(Stdio::null())
            .spawn();
        let Ok(process) = process else {
            println!("vhost-device-vsock is not in PATH (cargo install vhost-device-vsock): no comparison");
            return None;
        };
        let front = retry(|| UnixStream::connect(&socket).ok());
        let image = BootImage::load(&SHARED.eif).unwrap();
        let guest = Guest {
            machine: Machine::Cmdline,
            acceleration: Acceleration::probe(),
            memory_mib: 128,
            cpus: 1,
            cmdline: format!("{} no-heartbeat", image.cmdline),
        };
        let qemu = Qemu::start(&guest, &image, front).unwrap();
        await_word(qemu.console(), "guest: up");
        Some(Peer {
            path,
            _qemu: qemu,
            process,
            _directory: directory,
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn retry<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(value) = attempt() {
            return value;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("it does not come up");
}

fn await_word(console: &Console, word: &str) {
    retry(|| {
        String::from_utf8_lossy(&console.snapshot())
            .contains(word)
            .then_some(())
    });
}

fn command(path: &Path, words: &str) -> UnixStream {
    let mut stream = connect(path, 5000, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    writeln!(stream, "{words}").unwrap();
    stream
}

fn rate(total: usize, begin: Instant) -> f64 {
    total as f64 / (1 << 20) as f64 / begin.elapsed().as_secs_f64()
}

fn from_guest(path: &Path, total: usize, size: usize) -> f64 {
    let begin = Instant::now();
    assert_eq!(
        read_pattern(&mut command(path, &format!("source {total} {size}"))),
        total
    );
    rate(total, begin)
}

fn to_guest(path: &Path, total: usize, size: usize) -> f64 {
    let begin = Instant::now();
    // Not up to an end: the peer knows no half-close, and would lose the answer.
    let mut stream = command(path, &format!("take {total}"));
    write_pattern(&mut stream, total, size);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, format!("Ok({total})\n"));
    rate(total, begin)
}
