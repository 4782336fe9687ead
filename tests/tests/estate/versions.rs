//! Rows, bundles and pipelines that are not all of one day.

use crate::trip::Trip;
use serde_json::{Value, json};

fn is_attested_anew(row: &Value, before: &Value) -> bool {
    row["attestation"]["verifiedAt"] != before["attestation"]["verifiedAt"]
        && row["expected"]["challenge"] != before["expected"]["challenge"]
}

/// A client of before most fields, a pipeline of before some, and a later one whose fields nobody here knows.
pub(crate) async fn a_row_of_an_older_schema_goes_through(trip: &Trip) {
    let whole = trip.row("enc_older");
    trip.web
        .put(&json!({
            "id": "enc_older", "status": "PENDING_DEPLOY", "created_at": "2024-01-01T12:00:00.000Z", "color": "green",
            "providerConfig": {"dockerImage": whole["providerConfig"]["dockerImage"], "cpuCount": 2, "memoryMiB": 1024,
                "exposePorts": [8080], "attestationPolicy": {"mode": "strict"}},
        }))
        .await;
    let row = trip.until_status("enc_older", "DEPLOYED").await;
    let warning = row["statusReason"].as_str().unwrap_or_default();
    for unknown in ["color", "attestationPolicy"] {
        assert!(warning.contains(unknown), "{row:#}");
    }
    let older = "REMOVE #host.daemonVersion, expected.challengeSince, expected.previousChallenge, \
                 attestation.verifiedBy, attestation.trust, health.detail \
                 SET lease = :later, expected.later = :later, attestation.later = :later, #host.later = :later";
    trip.update(
        "enc_older",
        older,
        &["host"],
        json!({":later": {"M": {"version": {"N": "2"}}}}),
    )
    .await;
    let before = trip.web.row("enc_older").await;
    let anew = trip
        .until_row("enc_older", |row| is_attested_anew(row, &before))
        .await;
    assert_eq!(
        (&anew["status"], &anew["attestation"]["state"]),
        (&json!("DEPLOYED"), &json!("ATTESTED")),
        "{anew:#}"
    );
    assert_eq!(anew["lease"]["version"], 2, "what nobody knows is left alone");
    trip.destroy("enc_older").await;
}

/// The estate takes a new bundle while a row runs with the one before.
pub(crate) async fn two_bundles_at_once(trip: &Trip) {
    let [old, new] = trip.estate.bundles();
    let before = trip.deploy("enc_old").await;
    trip.estate.upgrade();
    let second = trip.deploy("enc_new").await;
    let of = |row: &Value| {
        (
            row["expected"]["bundle"].clone(),
            row["attestation"]["state"].clone(),
        )
    };
    assert_eq!(of(&before), (json!(old), json!("ATTESTED")));
    assert_eq!(of(&second), (json!(new), json!("ATTESTED")));
    assert_eq!(
        second["expected"]["imageDigest"],
        before["expected"]["imageDigest"]
    );
    assert_ne!(second["expected"]["pcrs"]["0"], before["expected"]["pcrs"]["0"]);

    // Both go on, and the older one comes back with what it was measured with.
    for row in [&before, &second] {
        let id = row["id"].as_str().unwrap();
        let anew = trip.until_row(id, |now| is_attested_anew(now, row)).await;
        assert_eq!(of(&anew), of(row), "{anew:#}");
    }
    trip.web.ask("enc_old", "PAUSING").await;
    trip.until_status("enc_old", "PAUSED").await;
    trip.web.ask("enc_old", "RESUMING").await;
    let resumed = trip.until_status("enc_old", "DEPLOYED").await;
    assert_eq!(of(&resumed), of(&before), "{resumed:#}");
    trip.destroy("enc_old").await;
    trip.destroy("enc_new").await;
    trip.estate.put_back();
}
