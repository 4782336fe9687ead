//! Rows that deploy.

use crate::web_row;
use end_to_end::{Image, Local, Registry, get};
use serde_json::json;

#[test]
fn the_web_applications_row_deploys_and_every_field_of_it_acts() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = registry.push("served", &Image::of_application(&["serve", "8080"]));
    local.put(&web_row("enc_web", &image));
    let row = local.until_status("enc_web", "DEPLOYED");
    assert_eq!(row["attestation"]["state"], "ATTESTED", "{row:#}");
    assert_eq!(row["attestation"]["trust"], "development");
    assert_eq!(
        row["health"]["state"], "HEALTHY",
        "the probe was answered: {row:#}"
    );
    let endpoint = &row["endpoints"][0];
    assert_eq!(endpoint["port"], 8080);
    let page = get(endpoint["address"].as_str().unwrap(), "/").unwrap();
    assert_eq!(page, "hello", "the variable of the row reaches the application");
    for (name, value) in web_row("enc_web", &image).as_object().unwrap() {
        if !["status", "updatedAt"].contains(&name.as_str()) {
            assert_eq!(&row[name], value, "{name} is the client's own");
        }
    }
    let logs = local.treza(&["logs", "enc_web"]).good();
    assert!(logs.stdout.contains("serving on 8080"), "{logs:?}");
}

#[test]
fn two_rows_at_once_are_two_enclaves() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = registry.push("served", &Image::of_application(&["serve", "8080"]));
    for (id, greeting) in [("one", "from one"), ("two", "from two")] {
        let mut row = web_row(id, &image);
        row["providerConfig"]["environmentVariables"] = json!(json!({"GREETING": greeting}).to_string());
        local.put(&row);
    }
    let rows = ["one", "two"].map(|id| local.until_status(id, "DEPLOYED"));
    let pages = rows.each_ref().map(|row| {
        let address = row["endpoints"][0]["address"].as_str().unwrap();
        get(address, "/").unwrap()
    });
    assert_eq!(pages, ["from one", "from two"]);
    assert_eq!(local.machines().len(), 2);
    assert_ne!(rows[0]["enclave"]["cid"], rows[1]["enclave"]["cid"]);
    assert_eq!(
        rows[0]["expected"]["pcrs"]["0"], rows[1]["expected"]["pcrs"]["0"],
        "the row is no part of its image"
    );
    assert_ne!(
        rows[0]["expected"]["pcrs"]["16"],
        rows[1]["expected"]["pcrs"]["16"]
    );
}

#[test]
fn the_same_row_written_twice_is_one_enclave() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = registry.push("served", &Image::of_application(&["serve", "8080"]));
    let row = web_row("twice", &image);
    local.put(&row);
    local.put(&row);
    local.until_status("twice", "DEPLOYED");
    assert_eq!(local.machines().len(), 1);
    // Once more over the running enclave, as a client that knows of no other way: the new one takes its place.
    let before = Local::statement(&local.row("twice"));
    local.put(&row);
    let after = local.until("twice", |row| {
        row["status"] == "DEPLOYED" && Local::statement(row).boot_id != before.boot_id
    });
    assert!(Local::statement(&after).generation > before.generation);
    assert_eq!(local.machines().len(), 1);
}
