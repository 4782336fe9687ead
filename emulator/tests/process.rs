//! QEMU as a process: missing, and orphaned.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod support;

use emulator::{Enclave, Error};
use nsm::development::Authority;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use support::{PATIENCE, SHARED, boot, config, config_of};

/// The tests run this program again as the process that is to be killed, or has no PATH.
fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command
}

#[test]
#[ignore = "is run by nothing_outlives_its_owner"]
fn owner() {
    // Launched from a thread that ends at once: QEMU belongs to the process.
    let running = thread::spawn(|| boot(30)).join().unwrap();
    println!("\nQEMU {}", running.enclave.pid());
    running.enclave.wait(PATIENCE * 10);
}

#[test]
fn nothing_outlives_its_owner() {
    // It is killed, and cleans nothing up: what it leaves goes with this.
    let left = tempfile::tempdir().unwrap();
    let mut owner = again("owner");
    owner.env("TMPDIR", left.path()).stdout(Stdio::piped());
    let mut owner = owner.spawn().unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let pid = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("QEMU ").map(str::to_owned))
        .unwrap();
    let qemu = Path::new("/proc").join(pid).join("exe");
    assert!(qemu.read_link().is_ok());
    owner.kill().unwrap();
    owner.wait().unwrap();
    for _ in 0..500 {
        if qemu.read_link().is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("QEMU outlives the process that started it");
}

#[test]
#[ignore = "is run by a_missing_qemu_is_named"]
fn without_path() {
    let directory = tempfile::tempdir().unwrap();
    let eif = std::env::var_os("EIF").unwrap().into();
    let authority = Arc::new(Authority::open(directory.path()).unwrap());
    let error = Enclave::launch(config_of(eif, authority, directory.path(), 31))
        .err()
        .unwrap();
    assert!(matches!(error, Error::QemuMissing), "{error}");
    println!("\nsays {error}");
}

#[test]
fn a_missing_qemu_is_named() {
    let output = again("without_path")
        .env("PATH", "")
        .env("EIF", &SHARED.eif)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{words}");
    assert!(words.contains("apt-get install qemu-system-x86"), "{words}");
}

#[test]
fn qemu_says_why_it_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let error = Enclave::launch(emulator::Config {
        memory_mib: u32::MAX,
        ..config(directory.path(), 32)
    })
    .err()
    .unwrap();
    assert!(matches!(error, Error::Qemu { .. }), "{error}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
