//! Rows that deploy.

use crate::trip::Trip;
use end_to_end::get;
use serde_json::json;

pub(crate) async fn a_row_is_deployed_and_destroyed(trip: &Trip) {
    let row = trip.deploy("enc_whole").await;
    assert_eq!(row["attestation"]["state"], "ATTESTED", "{row:#}");
    assert_eq!(row["attestation"]["trust"], "development");
    assert_eq!(row["health"]["state"], "HEALTHY", "{row:#}");
    let endpoint = &row["endpoints"][0];
    assert_eq!(endpoint["port"], 8080);
    let page = get(endpoint["address"].as_str().unwrap(), "/").unwrap();
    assert_eq!(page, "hello", "the variable of the row reaches the application");
    // The instance is the one that Terraform made for it, and evidence is bound to that one.
    let made = trip.new_things().await;
    let instance = row["expected"]["instanceId"].as_str().unwrap();
    assert_eq!(row["host"]["instanceId"], instance);
    assert!(made.contains(&format!("instance {instance}")), "{made:#?}");
    assert!(
        made.contains(&"log-group /aws/ec2/enclave/enc_whole".to_owned()),
        "{made:#?}"
    );
    for (name, value) in trip.row("enc_whole").as_object().unwrap() {
        if !["status", "updatedAt"].contains(&name.as_str()) {
            assert_eq!(&row[name], value, "{name} is the client's own");
        }
    }
    trip.destroy("enc_whole").await;
}

pub(crate) async fn a_direct_cleanup_beside_it_destroys_once(trip: &Trip) {
    let row = trip.deploy("enc_direct").await;
    trip.web.ask("enc_direct", "PENDING_DESTROY").await;
    trip.web.start_cleanup(&row).await;
    let destroyed = trip.until_status("enc_direct", "DESTROYED").await;
    assert_eq!(
        destroyed["generation"],
        json!(2),
        "one deployment, one destruction: {destroyed:#}"
    );
    trip.nothing_is_left().await;
    let all = trip.web.executions("cleanup").await;
    let of_turn = all.iter().filter(|one| one["name"] == "enc_direct-2");
    assert_eq!(of_turn.count(), 1, "{all:#?}");
    // Asked once more when all is done, it stays destroyed.
    trip.web.start_cleanup(&destroyed).await;
    trip.nothing_is_left().await;
    let after = trip.web.row("enc_direct").await;
    assert_eq!(
        (&after["status"], &after["generation"]),
        (&json!("DESTROYED"), &json!(2))
    );
}

pub(crate) async fn a_row_pauses_and_resumes(trip: &Trip) {
    let first = trip.deploy("enc_paused").await;
    let instance = first["expected"]["instanceId"].clone();
    trip.web.ask("enc_paused", "PAUSING").await;
    trip.until_status("enc_paused", "PAUSED").await;
    let address = first["endpoints"][0]["address"].as_str().unwrap();
    assert!(get(address, "/").is_err(), "nothing answers while it is paused");
    trip.web.ask("enc_paused", "RESUMING").await;
    let second = trip.until_status("enc_paused", "DEPLOYED").await;
    assert_eq!(second["expected"]["instanceId"], instance, "the same instance");
    assert_eq!(
        second["expected"]["imageDigest"],
        first["expected"]["imageDigest"]
    );
    assert_ne!(
        second["attestation"]["document"],
        first["attestation"]["document"]
    );
    let address = second["endpoints"][0]["address"].as_str().unwrap();
    assert_eq!(get(address, "/").unwrap(), "hello");
    trip.destroy("enc_paused").await;
}

pub(crate) async fn a_zone_without_capacity_is_passed_over(trip: &Trip) {
    let fault = json!([{
        "action": "RunInstances", "code": "InsufficientInstanceCapacity", "status": 500, "times": 4,
        "message": "We currently do not have sufficient m6i.xlarge capacity in the Availability Zone you requested.",
    }]);
    // As often as the provider tries in one zone.
    trip.estate.emulated().refuse(&fault).await.unwrap();
    let row = trip.deploy("enc_zone").await;
    let passed_over = |log: &String| log.contains("enc_zone") && log.contains("trying the next");
    assert!(trip.estate.emulated().task_logs().iter().any(passed_over));
    assert_eq!(row["attestation"]["state"], "ATTESTED", "{row:#}");
    trip.destroy("enc_zone").await;
}

pub(crate) async fn a_row_that_is_deleted_gives_its_host_back(trip: &Trip) {
    trip.deploy("enc_deleted").await;
    trip.web.delete("enc_deleted").await;
    trip.nothing_is_left().await;
    assert!(trip.web.row("enc_deleted").await.is_null());
    // Another of its id is another row, and its turns are later ones.
    let anew = trip.deploy("enc_deleted").await;
    assert_eq!(anew["generation"], json!(2), "{anew:#}");
    trip.destroy("enc_deleted").await;
}
