//! Rows that cannot be: FAILED, with a reason that says what, where and the mend.

use crate::{plain_row, silent_row, web_row};
use end_to_end::{Image, Local, Registry};
use serde_json::json;
use std::net::TcpListener;

/// That every word is in the reason.
fn says(why: &str, words: &[&str]) {
    for word in words {
        assert!(why.contains(word), "no {word:?} in: {why}");
    }
}

#[test]
fn images_that_are_not_there_are_named() {
    let (registry, local) = (Registry::start(), Local::up());
    let unknown = registry.reference("never-pushed");
    local.put(&web_row("unknown", &unknown));
    says(&local.reason_of_failure("unknown"), &["never-pushed"]);

    // A port that was free a moment ago, and on which nobody listens.
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .unwrap()
        .port();
    local.put(&web_row("unreachable", &format!("127.0.0.1:{port}/image:tag")));
    says(
        &local.reason_of_failure("unreachable"),
        &[&format!("127.0.0.1:{port}")],
    );

    registry.push("there", &Image::of_application(&["serve", "8080"]));
    let wrong = format!("{}/there@sha256:{}", registry.address, "0".repeat(64));
    local.put(&web_row("wrong", &wrong));
    says(&local.reason_of_failure("wrong"), &["there", "sha256:000"]);
    assert!(local.machines().is_empty());
}

#[test]
fn an_image_without_entrypoint_is_refused_before_any_launch() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = Image {
        entrypoint: Vec::new(),
        ..Image::of_application(&[])
    };
    local.put(&web_row("nothing", &registry.push("nothing", &image)));
    says(
        &local.reason_of_failure("nothing").to_lowercase(),
        &["entrypoint"],
    );
    assert_eq!(local.row("nothing")["expected"], json!(null));
}

#[test]
fn an_application_that_exits_is_in_the_row_with_code_and_last_words() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = registry.push("exits", &Image::of_application(&["exit", "7"]));
    local.put(&silent_row("service", &image, "service"));
    local.put(&silent_row("batch", &image, "batch"));
    for id in ["service", "batch"] {
        // A service is tried again, and may show itself as DEPLOYED and DEGRADED between two tries.
        let row = local.until(id, |row| row["status"] == "FAILED");
        says(
            row["statusReason"].as_str().unwrap(),
            &["exit code 7", "these are the last words"],
        );
        assert_eq!(row["health"]["lastExit"], "exit code 7", "{row:#}");
    }
    local.until_nothing_runs();
}

#[test]
fn memory_that_cannot_hold_four_times_the_eif_names_what_can() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = Image {
        ballast: 270 << 20,
        ..Image::of_application(&["serve", "8080"])
    };
    local.put(&web_row("large", &registry.push("large", &image)));
    says(
        &local.reason_of_failure("large"),
        &["providerConfig.memoryMiB", "1024", "2048"],
    );
    assert!(local.machines().is_empty());
}

#[test]
fn cpus_that_no_host_has_are_refused_before_anything_is_fetched() {
    let local = Local::up();
    for (cpus, fault) in [(33, "configuration.cpu_count: is 33"), (32, "/nowhere.eif")] {
        let id = format!("cpus-{cpus}");
        let mut row = plain_row(&id, "file:/nowhere.eif");
        row["configuration"]["cpu_count"] = json!(cpus);
        local.put(&row);
        says(&local.reason_of_failure(&id), &[fault]);
    }
}

#[test]
fn every_fault_of_a_row_is_listed_at_once_in_both_shapes() {
    let local = Local::up();
    let mut web = web_row("web", "file:/etc/passwd");
    web["region"] = json!("moon-1");
    web["providerConfig"]["cpuCount"] = json!("0");
    web["providerConfig"]["memoryMiB"] = json!("lots");
    web["providerConfig"]["environmentVariables"] = json!("[1]");
    web["providerConfig"]["workloadType"] = json!("pet");
    web["providerConfig"]["healthCheckInterval"] = json!(0);
    web["providerConfig"]["awsServices"] = json!(["teleport"]);
    web["providerConfig"]["exposePorts"] = json!(["http"]);
    local.put(&web);
    let mut plain = plain_row("plain", "https://somewhere/test.eif");
    plain["configuration"]["cpu_count"] = json!(0);
    plain["configuration"]["memory_mib"] = json!(-1);
    plain["configuration"]["instance_type"] = json!("a big one");
    plain["configuration"]["debug_mode"] = json!("perhaps");
    local.put(&plain);
    local.put(&json!({"id": "neither", "status": "PENDING_DEPLOY"}));
    says(
        &local.reason_of_failure("web"),
        &[
            "region",
            "dockerImage",
            "cpuCount",
            "memoryMiB",
            "environmentVariables",
            "workloadType",
            "healthCheckInterval",
            "awsServices",
            "exposePorts",
        ],
    );
    says(
        &local.reason_of_failure("plain"),
        &[
            "eif_path",
            "cpu_count",
            "memory_mib",
            "instance_type",
            "debug_mode",
        ],
    );
    says(
        &local.reason_of_failure("neither"),
        &["providerConfig", "configuration"],
    );
}

#[test]
fn a_row_without_a_status_fails_and_the_commands_lead_out_of_it() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = registry.push("served", &Image::of_application(&["serve", "8080"]));
    for id in ["ended", "again", "ended-unknown"] {
        let mut row = web_row(id, &image);
        match id {
            "ended-unknown" => row["status"] = json!("LAUNCH"),
            _ => drop(row.as_object_mut().unwrap().remove("status")),
        }
        local.put(&row);
        says(&local.reason_of_failure(id), &["status", "PENDING_DEPLOY"]);
    }
    for id in ["ended", "ended-unknown"] {
        local.treza(&["destroy", id, "--wait"]).good();
        assert_eq!(local.row(id)["status"], "DESTROYED");
    }
    let words = [
        "deploy", "--id", "again", "--image", &image, "--port", "8080", "--wait",
    ];
    local.treza(&words).good();
    assert_eq!(local.row("again")["status"], "DEPLOYED");
    let unnameable = local.treza(&["destroy", "../x"]);
    assert_eq!(unnameable.code, 2);
    says(&unnameable.text(), &["delete-item"]);
}

#[test]
fn a_probe_that_gets_nothing_is_told_while_it_is_waited_for() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = registry.push("served", &Image::of_application(&["serve", "8080"]));
    let words = ["deploy", "--id", "wrong", "--image", &image, "--port", "8080"];
    let probe = ["--health-path", "/nowhere", "--wait", "--timeout", "30"];
    let answer = local.treza(&[&words[..], &probe].concat());
    assert_eq!(answer.code, 1, "{answer:?}");
    for said in [&answer.stdout, &answer.stderr] {
        says(said, &["GET /nowhere on port 8080: status 404"]);
    }
}

#[test]
fn unknown_statuses_and_hostile_ids_fail_where_they_stand() {
    let local = Local::up();
    local.put(&json!({"id": "unknown", "status": "LAUNCH"}));
    says(
        &local.reason_of_failure("unknown"),
        &["LAUNCH", "PENDING_DEPLOY", "PENDING_DESTROY"],
    );
    let hostile = [
        "../../etc/passwd",
        "a b",
        "é",
        "$(reboot)",
        &"x".repeat(65),
        "\u{1b}[31mred",
    ];
    for id in hostile {
        local.put(&web_row(id, "registry/image:tag"));
    }
    // Rows are taken up in order: once this one is, those before it are.
    local.put(&web_row("last", "file:/nothing"));
    local.reason_of_failure("last");
    for row in local.rows() {
        assert_eq!(row["status"], "FAILED", "{row:#}");
        let id = row["id"].as_str().unwrap();
        let why = row["statusReason"].as_str().unwrap();
        assert!(!why.contains('\u{1b}'), "{why:?}");
        if hostile.contains(&id) {
            says(why, &["id", "A-Z"]);
        }
    }
    assert!(local.machines().is_empty());
}
