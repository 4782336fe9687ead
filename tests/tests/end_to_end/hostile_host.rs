//! A host that lies: whatever it writes where it may write, nothing of it reaches the row as proven.

use crate::web_row;
use contract::report::{Phase, Report};
use end_to_end::{Image, Local, Registry};
use serde_json::{Value, json};

#[test]
fn forged_reports_change_nothing_and_borrowed_evidence_is_refused() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = registry.push("served", &Image::of_application(&["serve", "8080"]));
    for id in ["victim", "other"] {
        local.put(&web_row(id, &image));
    }
    let victim = local.until_status("victim", "DEPLOYED");
    local.until_status("other", "DEPLOYED");
    let genuine = local.report("victim").unwrap();

    // The row's own attributes, in a report: it is no report.
    let item = json!({
        "id": "victim", "generation": genuine.generation, "phase": "RUNNING", "daemonVersion": "1", "reportedAt": 1,
        "status": "DEPLOYED", "health": {"state": "HEALTHY", "sequence": 999},
        "expected": {"pcrs": {"0": "00"}}, "attestation": {"state": "ATTESTED", "trust": "aws-nitro"},
    });
    local.put_report_item(&item);
    // Another turn than the row's.
    for generation in [0, genuine.generation + 1, u64::MAX] {
        local.put_report(&Report {
            generation,
            phase: Phase::Failed,
            reason: Some("of another turn".into()),
            ..genuine.clone()
        });
    }
    // The last word of a host that can stop an enclave anyway: that this one shows tells that those before were read.
    local.put_report(&Report {
        phase: Phase::Failed,
        reason: Some("the lie that any host may tell".into()),
        statement: None,
        document: None,
        ..genuine.clone()
    });
    let row = local.until("victim", |row| row["status"] == "FAILED");
    assert!(
        row["statusReason"]
            .as_str()
            .unwrap()
            .contains("any host may tell"),
        "{row:#}"
    );
    assert_eq!(row["expected"]["pcrs"], victim["expected"]["pcrs"]);
    assert_eq!(row["attestation"]["trust"], "development");
    assert_eq!(row["attestation"]["state"], "STALE");
    assert_eq!(row["generation"], victim["generation"]);
    assert_eq!(row["health"], Value::Null, "of what is gone");

    // Evidence of the one row for the other.
    let before = local.row("other");
    let own = local.report("other").unwrap();
    local.put_report(&Report {
        statement: genuine.statement,
        document: genuine.document,
        ..own
    });
    refused(&local, &before, "record");
    local.until_nothing_runs();
}

#[test]
fn evidence_of_the_turn_before_is_refused() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = registry.push("served", &Image::of_application(&["serve", "8080"]));
    local.put(&web_row("again", &image));
    local.until_status("again", "DEPLOYED");
    let earlier = local.report("again").unwrap();
    local.treza(&["pause", "again", "--wait"]).good();
    local.treza(&["resume", "again", "--wait"]).good();
    let before = local.row("again");

    // As of its own turn it comes too late; as of this turn it is another boot's.
    local.put_report(&earlier);
    local.put_report(&Report {
        generation: before["generation"].as_u64().unwrap(),
        ..earlier
    });
    refused(&local, &before, "generation");
}

/// The row is FAILED for its evidence, and keeps what was proven before.
fn refused(local: &Local, before: &Value, subject: &str) {
    let id = before["id"].as_str().unwrap();
    let row = local.until(id, |row| row["status"] == "FAILED");
    let why = row["statusReason"].as_str().unwrap();
    assert!(why.contains("evidence refused") && why.contains(subject), "{why}");
    assert_eq!(row["attestation"]["state"], "REFUSED", "{row:#}");
    assert_eq!(
        Local::statement(&row).boot_id,
        Local::statement(before).boot_id,
        "the refused evidence is not in the row"
    );
    assert_eq!(row["generation"], before["generation"]);
    assert_eq!(row["expected"]["pcrs"], before["expected"]["pcrs"]);
    for name in ["enclave", "endpoints", "health"] {
        assert_eq!(row[name], Value::Null, "{name} of what is gone");
    }
}
