//! The turns of a row: pause, resume, destroy, and again.

use crate::web_row;
use end_to_end::{Image, Local, Registry, get, processes};

#[test]
fn a_row_pauses_resumes_and_is_destroyed_with_nothing_left() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = registry.push("served", &Image::of_application(&["serve", "8080"]));
    local.put(&web_row("turns", &image));
    let first = local.until_status("turns", "DEPLOYED");
    let log = local.treza(&["logs", "turns", "--json"]).good().json();
    assert!(
        log["output"].as_str().unwrap().contains("serving on 8080"),
        "{log}"
    );
    local.ask("turns", "PAUSING");
    let paused = local.until_status("turns", "PAUSED");
    assert_eq!(paused["attestation"]["state"], "STALE", "{paused:#}");
    local.until_nothing_runs();
    let pcr0 = format!("0={}", paused["expected"]["pcrs"]["0"].as_str().unwrap());
    let verified = local.treza(&["verify", "turns", "--json", "--pcr", &pcr0]);
    assert_eq!(verified.code, 2);
    let verified = verified.json();
    assert_eq!(verified["code"], "no_evidence", "{verified}");
    assert!(
        verified["reason"].as_str().unwrap().contains("PAUSED"),
        "{verified}"
    );

    // The tag moves on while the row is paused; the row does not.
    registry.push("served", &Image::of_application(&["exit", "1"]));
    local.ask("turns", "RESUMING");
    let second = local.until_status("turns", "DEPLOYED");
    for name in ["imageDigest", "bundle"] {
        assert_eq!(second["expected"][name], first["expected"][name], "{name}");
    }
    assert_ne!(
        second["attestation"]["document"],
        first["attestation"]["document"]
    );
    assert_ne!(
        Local::statement(&second).boot_id,
        Local::statement(&first).boot_id
    );
    assert_eq!(second["endpoints"], first["endpoints"], "clients find it again");
    let address = second["endpoints"][0]["address"].as_str().unwrap();
    assert_eq!(get(address, "/").unwrap(), "hello");
    // A row that is there is not written over: the database refuses, and its log is not the user's.
    let twice = ["deploy", "--id", "turns", "--image", &image];
    assert_eq!(local.treza(&twice).code, 1);

    // The web application's destroy comes twice.
    local.ask("turns", "PENDING_DESTROY");
    local.treza(&["destroy", "turns", "--wait"]).good();
    assert_eq!(local.row("turns")["status"], "DESTROYED");
    local.until_nothing_runs();
    assert!(get(address, "/").is_err(), "the ingress is closed");

    local.treza(&["local", "down"]).good();
    assert_eq!(processes::naming(local.folder()), []);
    assert!(!local.state().join("host/hub/9000.sock").exists());
    let log = std::fs::read_to_string(local.state().join("pipeline.log")).unwrap();
    assert!(
        log.contains("the pipeline is up") && !log.contains("WARN dynoxide"),
        "{log}"
    );
}

#[test]
fn a_failed_row_deploys_once_its_cause_is_mended() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = registry.reference("later");
    local.put(&web_row("mended", &image));
    local.reason_of_failure("mended");
    registry.push("later", &Image::of_application(&["serve", "8080"]));
    local.ask("mended", "PENDING_DEPLOY");
    let row = local.until("mended", |row| row["status"] == "DEPLOYED");
    assert_eq!(row["generation"], 2);
    let leftover = row["statusReason"].as_str().unwrap_or_default();
    assert!(
        !leftover.contains("later"),
        "the reason of the failure is gone: {leftover}"
    );
    // FAILED may be cleaned up too.
    local.machines()[0].kill();
    local.until("mended", |row| row["status"] == "FAILED");
    local.ask("mended", "PENDING_DESTROY");
    local.until_status("mended", "DESTROYED");
    local.until_nothing_runs();
}

#[test]
fn a_destroy_right_after_a_deploy_wins() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = registry.push("served", &Image::of_application(&["serve", "8080"]));
    local.put(&web_row("brief", &image));
    local.ask("brief", "PENDING_DESTROY");
    local.until_status("brief", "DESTROYED");
    local.until_nothing_runs();

    // And in the middle of it, while the machine boots.
    local.put(&web_row("late", &image));
    local.until("late", |_| !local.machines().is_empty());
    local.ask("late", "PENDING_DESTROY");
    local.until_status("late", "DESTROYED");
    local.until_nothing_runs();
}
