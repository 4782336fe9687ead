//! Guests for tests and benchmarks: a small static program as process 1, an EIF around it, and a run
//! directory.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test uses a part of it"
)]

use eif_build::bundle::{BootRamdisk, Machine};
use eif_build::eif::{Metadata, SectionKind, Writer};
use emulator::{Config, Enclave};
use nsm::development::Authority;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tempfile::TempDir;

/// Long enough for a boot on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Where the guest takes commands.
const COMMANDS: u32 = 5000;

/// The kernel for tests: `TREZA_KERNEL`, else what `make kernel` leaves.
fn kernel() -> Vec<u8> {
    let path = std::env::var_os("TREZA_KERNEL").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/kernel/bzImage"),
        PathBuf::from,
    );
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}: run `make kernel` first", path.display()))
}

/// What all tests of a run share: the guest's EIF and a development CA.
pub struct Shared {
    pub eif: PathBuf,
    pub authority: Arc<Authority>,
}

/// In cargo's own folder for tests, from one run to the next: a static is never dropped, and would leave a temporary one.
pub static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest");
    std::fs::create_dir_all(&shared).unwrap();
    let directory = tempfile::tempdir_in(&shared).unwrap();
    let init = directory.path().join("init");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest/init.rs");
    let status = Command::new("rustc")
        .args(["--edition=2024", "--target=x86_64-unknown-linux-musl", "-O", "-o"])
        .args([&init, &source])
        .status()
        .unwrap();
    assert!(
        status.success(),
        "the guest does not compile: rustup target add x86_64-unknown-linux-musl"
    );
    let (new, eif) = (directory.path().join("guest.eif"), shared.join("guest.eif"));
    write_eif(&new, &kernel(), &init);
    // Whole at once: another run may be using it.
    std::fs::rename(&new, &eif).unwrap();
    let authority = Arc::new(Authority::open(&shared.join("ca")).unwrap());
    Shared { eif, authority }
});

fn write_eif(path: &Path, kernel: &[u8], init: &Path) {
    let ramdisk = BootRamdisk::read(init, &[]).unwrap().to_cpio().unwrap();
    let mut eif = Writer::new(File::create(path).unwrap(), false).unwrap();
    eif.section(SectionKind::Kernel, kernel).unwrap();
    eif.section(SectionKind::Cmdline, b"console=ttyS0 reboot=k panic=-1 quiet")
        .unwrap();
    eif.metadata(&Metadata::new("guest", "1", "1970-01-01T00:00:00Z", "6.12"))
        .unwrap();
    eif.section(SectionKind::Ramdisk, &ramdisk).unwrap();
    eif.finish(None).unwrap();
}

/// A guest that runs, and its run directory.
pub struct Running {
    pub enclave: Enclave,
    pub directory: TempDir,
}

pub fn config(directory: &Path, cid: u32) -> Config {
    config_of(SHARED.eif.clone(), SHARED.authority.clone(), directory, cid)
}

pub fn config_of(eif: PathBuf, authority: Arc<Authority>, directory: &Path, cid: u32) -> Config {
    Config {
        eif,
        machine: Machine::Cmdline,
        memory_mib: 128,
        cpus: 1,
        cid,
        debug: false,
        instance_id: "i-0123456789abcdef0".into(),
        run_dir: directory.to_owned(),
        authority,
        hub: None,
        force_tcg: false,
    }
}

/// Boots a guest and waits for its heartbeat.
pub fn boot(cid: u32) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let heartbeat = UnixListener::bind(directory.path().join("vsock.sock_9000")).unwrap();
    let enclave = Enclave::launch(config(directory.path(), cid)).unwrap();
    answer_heartbeat(&enclave, &heartbeat);
    Running { enclave, directory }
}

/// Answers the first heartbeat that comes, which a boot has [`PATIENCE`] for.
pub fn answer_heartbeat(enclave: &Enclave, listener: &UnixListener) -> UnixStream {
    let mut stream = accept(enclave, listener);
    let mut beat = [0];
    stream.read_exact(&mut beat).unwrap();
    assert_eq!(beat, [contract::ports::HEARTBEAT_BYTE]);
    stream.write_all(&beat).unwrap();
    stream
}

/// Accepts, unless the guest ends or [`PATIENCE`] does.
pub fn accept(enclave: &Enclave, listener: &UnixListener) -> UnixStream {
    listener.set_nonblocking(true).unwrap();
    for _ in 0..PATIENCE.as_millis() / 5 {
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(false).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            return stream;
        }
        if let Some(exit) = enclave.wait(Duration::from_millis(5)) {
            panic!("the guest ended: {exit:?}");
        }
    }
    panic!("no heartbeat; the console says {}", enclave.console().last(4096));
}

impl Running {
    /// Gives the guest a command, and returns the connection.
    pub fn command(&self, words: &str) -> UnixStream {
        let mut stream = self.enclave.connect(COMMANDS, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        writeln!(stream, "{words}").unwrap();
        stream
    }

    /// Gives the guest a command that has a line for an answer.
    pub fn ask(&self, words: &str) -> String {
        let mut answer = String::new();
        BufReader::new(self.command(words))
            .read_line(&mut answer)
            .unwrap();
        answer.trim_end().to_owned()
    }
}

/// The bytes that guest and host send one another: `i % 251` at `i`.
pub fn pattern(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(|i| (i % 251) as u8).collect()
}

/// Writes `total` bytes of the pattern, `size` at a time.
pub fn write_pattern(stream: &mut UnixStream, total: usize, size: usize) {
    let pattern = pattern(0, 251 + LARGEST);
    let (mut done, mut sizes) = (0, sizes(size));
    while done < total {
        let start = done % 251;
        let size = sizes.next().unwrap().min(total - done);
        done += stream.write(&pattern[start..start + size]).unwrap();
    }
}

/// The largest write.
pub const LARGEST: usize = 256 << 10;
/// As a size: writes of every size, doubling from 1 byte to 256 KiB and then from 1 again. The guest knows it too.
pub const EVERY: usize = 0;

fn sizes(size: usize) -> impl Iterator<Item = usize> {
    let every = (0..=LARGEST.ilog2()).map(|power| 1 << power).cycle();
    every.map(move |power: usize| if size == EVERY { power } else { size })
}

/// Reads the pattern to its end, and returns its length.
pub fn read_pattern(stream: &mut UnixStream) -> usize {
    let mut buffer = vec![0; 256 * 1024];
    let pattern = pattern(0, 251 + buffer.len());
    let mut done = 0;
    loop {
        let read = stream.read(&mut buffer).unwrap();
        if read == 0 {
            return done;
        }
        assert!(
            buffer[..read] == pattern[done % 251..done % 251 + read],
            "wrong bytes behind {done}"
        );
        done += read;
    }
}
