//! What goes wrong: each ends in FAILED with a reason that a person can act on, and leaves nothing behind.

use crate::trip::Trip;
use end_to_end::estate::Behaviour;
use serde_json::json;

pub(crate) async fn an_invalid_row_says_all_that_is_wrong(trip: &Trip) {
    let mut row = trip.row("enc_invalid");
    row["region"] = json!("eu-west-1");
    row["providerConfig"]["cpuCount"] = json!("3");
    row["providerConfig"]["awsServices"] = json!(["teleport"]);
    trip.web.put(&row).await;
    let reason = trip.reason_of_failure("enc_invalid").await;
    for word in ["region", "cpuCount", "awsServices"] {
        assert!(reason.contains(word), "{word} is not in: {reason}");
    }
}

pub(crate) async fn no_capacity_anywhere(trip: &Trip) {
    let fault = json!([{
        "action": "RunInstances", "code": "InsufficientInstanceCapacity", "status": 500, "times": 1_000,
        "message": "We currently do not have sufficient m6i.xlarge capacity in the Availability Zone you requested.",
    }]);
    trip.estate.emulated().refuse(&fault).await.unwrap();
    trip.web.put(&trip.row("enc_capacity")).await;
    let reason = trip.reason_of_failure("enc_capacity").await;
    trip.estate.emulated().accept().await.unwrap();
    assert!(
        reason.contains("no such instances left") && reason.contains("try again later"),
        "{reason}"
    );
}

pub(crate) async fn terraform_is_refused(trip: &Trip) {
    let fault = json!([{
        "action": "RunInstances", "code": "UnauthorizedOperation", "status": 403, "times": 1_000,
        "message": "You are not authorized to perform this operation.",
    }]);
    trip.estate.emulated().refuse(&fault).await.unwrap();
    trip.web.put(&trip.row("enc_refused")).await;
    let reason = trip.reason_of_failure("enc_refused").await;
    trip.estate.emulated().accept().await.unwrap();
    assert!(
        reason.contains("UnauthorizedOperation") && reason.contains("role"),
        "{reason}"
    );
}

pub(crate) async fn a_host_that_never_reports(trip: &Trip) {
    trip.estate.instances().behave(Behaviour::Silent);
    trip.web.put(&trip.row("enc_silent")).await;
    let reason = trip.reason_of_failure("enc_silent").await;
    trip.nothing_is_left().await;
    trip.estate.instances().behave(Behaviour::Boots);
    assert!(
        reason.contains("report") || reason.contains("evidence"),
        "{reason}"
    );
}

pub(crate) async fn evidence_of_another_root(trip: &Trip) {
    let other = trip.estate.folder().join("other-ca");
    std::fs::create_dir(&other).unwrap();
    nsm::development::Authority::open(&other).unwrap();
    trip.estate.instances().behave(Behaviour::OtherAuthority(other));
    trip.web.put(&trip.row("enc_other")).await;
    let reason = trip.reason_of_failure("enc_other").await;
    trip.nothing_is_left().await;
    trip.estate.instances().behave(Behaviour::Boots);
    assert!(reason.contains("root") || reason.contains("trust"), "{reason}");
    let row = trip.web.row("enc_other").await;
    assert_ne!(row["attestation"]["state"], "ATTESTED", "{row:#}");
}
