//! Programs that die, and a disk that is full.

use crate::web_row;
use contract::report::Phase;
use contract::statement::Statement;
use end_to_end::programs::run;
use end_to_end::{Image, Local, Registry, get};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_killed_host_daemon_finds_its_enclave_running() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = registry.push("served", &Image::of_application(&["serve", "8080"]));
    local.put(&web_row("kept", &image));
    let row = local.until_status("kept", "DEPLOYED");
    let address = row["endpoints"][0]["address"].as_str().unwrap();
    let (machines, before) = (local.machines(), Local::statement(&row));
    let daemons = || local.processes("treza-host daemon");
    let old = daemons();
    let [daemon] = &old[..] else {
        panic!("one daemon: {old:?}")
    };
    daemon.kill();
    assert_eq!(
        get(address, "/").unwrap(),
        "hello",
        "nobody is needed for the page"
    );

    // The next daemon challenges what runs, and reports.
    let begun = Instant::now();
    let after = loop {
        let report = local
            .report("kept")
            .filter(|report| report.phase == Phase::Running);
        let statement = report.and_then(|report| Statement::decode(&report.statement?).ok());
        if let Some(statement) = statement.filter(|statement| statement.sequence > before.sequence)
            && daemons() != old
        {
            break statement;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", local.logs());
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(after.boot_id, before.boot_id, "the same boot");
    assert_eq!(local.machines(), machines, "the same machine, and no second one");
    assert_eq!(get(address, "/").unwrap(), "hello");
    assert_eq!(local.row("kept")["status"], "DEPLOYED");

    local.treza(&["destroy", "kept", "--wait"]).good();
    local.until_nothing_runs();
}

#[test]
fn a_guest_that_dies_fails_its_row() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = registry.push("served", &Image::of_application(&["serve", "8080"]));
    local.put(&web_row("dies", &image));
    local.until_status("dies", "DEPLOYED");
    local.machines()[0].kill();
    let row = local.until("dies", |row| row["status"] == "FAILED");
    let why = row["statusReason"].as_str().unwrap();
    assert!(why.contains("the enclave ended"), "{why}");
    assert_eq!(row["attestation"]["state"], "STALE", "{row:#}");
    let row = local.until("dies", |row| row["host"].is_null());
    for name in ["hostId", "enclave", "endpoints", "health"] {
        assert!(row[name].is_null(), "{name} of what is gone: {row:#}");
    }
    local.until_nothing_runs();

    local.ask("dies", "PENDING_DEPLOY");
    local.until_status("dies", "DEPLOYED");
}

#[test]
fn what_a_killed_pipeline_leaves_is_ended_and_told() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = registry.push("served", &Image::of_application(&["serve", "8080"]));
    local.put(&web_row("left", &image));
    local.until_status("left", "DEPLOYED");
    let pipelines = local.processes("--detach");
    let [pipeline] = &pipelines[..] else {
        panic!("one pipeline: {pipelines:?}")
    };
    pipeline.kill();
    assert_eq!(local.machines().len(), 1, "enclaves go on");
    let answer = local.treza(&["local", "down", "--json"]).good().json();
    assert_eq!(
        answer,
        serde_json::json!({"ended": false, "remains": {"daemons": 1, "enclaves": 1}})
    );
    local.until_nothing_runs();
    assert_eq!(local.processes("treza-host"), []);
    assert!(!local.state().join("host/hub/9000.sock").exists());
}

#[test]
fn a_full_disk_fails_the_row_and_leaves_nothing_in_halves() {
    let registry = Registry::start();
    let Some(disk) = SmallDisk::mount("48m") else {
        return;
    };
    let image = Image {
        ballast: 64 << 20,
        ..Image::of_application(&["serve", "8080"])
    };
    let large = registry.push("large", &image);
    let small = registry.push("small", &Image::of_application(&["serve", "8080"]));
    {
        let local = Local::up_in(
            tempfile::Builder::new()
                .prefix("e2e.")
                .tempdir_in(disk.0.path())
                .unwrap(),
            &[],
        );
        local.put(&web_row("large", &large));
        let why = local.reason_of_failure("large");
        assert!(why.contains("No space left on device"), "{why}");
        // What was begun is gone again, so that what fits deploys.
        local.put(&web_row("small", &small));
        local.until_status("small", "DEPLOYED");
    }
}

/// A file system of its own, which goes when it is dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            println!("skipped: only root can mount a small disk");
            return None;
        }
        Some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", [self.0.path()]);
    }
}
