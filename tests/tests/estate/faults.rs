//! What breaks off in the middle: a function, the runner. Either the row goes on, once, or it is FAILED with nothing left.

use crate::trip::Trip;
use end_to_end::estate::Behaviour;
use serde_json::json;
use std::fs;
use std::net::TcpListener;

pub(crate) async fn a_function_that_runs_out_of_time(trip: &Trip) {
    // It takes connections, and answers nothing.
    let registry = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut row = trip.row("enc_function");
    row["providerConfig"]["dockerImage"] = json!(format!("{}/served:1", registry.local_addr().unwrap()));
    let limit = trip.estate.limit_function("measure", 3).await;
    trip.web.put(&row).await;
    let reason = trip.reason_of_failure("enc_function").await;
    trip.estate.limit_function("measure", limit).await;
    assert!(reason.contains("did not end in time"), "{reason}");
}

/// AWS lets Terraform try, and try again, until the state's time is over.
pub(crate) async fn a_runner_that_runs_out_of_time(trip: &Trip) {
    let fault = json!([{
        "action": "RunInstances", "code": "RequestLimitExceeded", "message": "Request limit exceeded.", "status": 503,
        "times": 1_000_000,
    }]);
    trip.estate.emulated().refuse(&fault).await.unwrap();
    let limit = trip.estate.limit_state("deploy", "Make host", 45).await;
    trip.web.put(&trip.row("enc_runner")).await;
    let reason = trip.reason_of_failure("enc_runner").await;
    trip.estate.limit_state("deploy", "Make host", limit).await;
    trip.estate.emulated().accept().await.unwrap();
    assert!(reason.contains("did not end in time"), "{reason}");
    let told = |log: &String| log.contains("enc_runner") && log.contains("the run is told to end");
    assert!(trip.estate.emulated().task_logs().iter().any(told));
}

pub(crate) async fn terraform_that_cannot_begin(trip: &Trip) {
    let folder = trip.estate.folder().join("no-providers");
    fs::create_dir_all(&folder).unwrap();
    let config = folder.with_extension("rc");
    let mirror = format!(
        "provider_installation {{\n  filesystem_mirror {{\n    path = \"{}\"\n  }}\n}}\n",
        folder.display()
    );
    fs::write(&config, mirror).unwrap();
    // What it gives back it must be able to.
    let lines = format!(
        "[ \"$1\" = destroy ] || export TF_CLI_CONFIG_FILE={}",
        config.display()
    );
    trip.estate.runner_does(&lines);
    trip.web.put(&trip.row("enc_init")).await;
    let reason = trip.reason_of_failure("enc_init").await;
    trip.estate.runner_does("");
    assert!(
        reason.contains("hashicorp/aws") && reason.contains("could not be made"),
        "{reason}"
    );
}

/// Nobody is left who works on the row: its time runs out, and its host goes by its own stream record.
pub(crate) async fn an_execution_that_is_stopped(trip: &Trip) {
    trip.estate.instances().behave(Behaviour::Silent);
    trip.deploy_begins("enc_stopped").await;
    trip.until_row("enc_stopped", |row| row["hostId"].is_string())
        .await;
    let all = trip.web.executions("deploy").await;
    let one = all.iter().find(|one| one["name"] == "enc_stopped-1").unwrap();
    trip.web.stop(one).await;
    let long_ago = json!({":long_ago": {"N": "1000"}});
    trip.update("enc_stopped", "SET statusSince = :long_ago", &[], long_ago)
        .await;
    let reason = trip.reason_of_failure("enc_stopped").await;
    trip.nothing_is_left().await;
    trip.estate.instances().behave(Behaviour::Boots);
    assert!(reason.contains("evidence from its host"), "{reason}");
    let all = trip.web.executions("deploy").await;
    let one = all.iter().find(|one| one["name"] == "enc_stopped-1").unwrap();
    assert_eq!(one["status"], "ABORTED", "{one:#}");
}

/// The same on the way back.
pub(crate) async fn a_cleanup_that_is_stopped(trip: &Trip) {
    trip.deploy("enc_cleanup").await;
    trip.web.ask("enc_cleanup", "PENDING_DESTROY").await;
    let row = trip
        .until_row("enc_cleanup", |row| row["status"] == "DESTROYING")
        .await;
    let all = trip.web.executions("cleanup").await;
    let one = all.iter().find(|one| one["name"] == "enc_cleanup-2").unwrap();
    trip.web.stop(one).await;
    assert_eq!(row["generation"], 2, "{row:#}");
    let long_ago = json!({":long_ago": {"N": "1000"}});
    trip.update("enc_cleanup", "SET statusSince = :long_ago", &[], long_ago)
        .await;
    trip.reason_of_failure("enc_cleanup").await;
    trip.nothing_is_left().await;
}

/// What a scenario leaves that broke off is no trouble of the next one's.
pub(crate) async fn what_a_scenario_left_is_put_back(trip: &Trip) {
    let refusal = json!([{"action": "RunInstances", "code": "UnauthorizedOperation", "status": 403, "times": 1_000_000}]);
    trip.estate.instances().behave(Behaviour::Silent);
    trip.deploy_begins("enc_left").await;
    trip.estate.emulated().refuse(&refusal).await.unwrap();
    trip.estate.runner_does("exit 1");
    let limit = trip.estate.limit_function("outcome", 1).await;

    trip.reset().await;
    // Ended by that, or by its runner before.
    let ended = trip.web.row("enc_left").await["status"].clone();
    assert!(
        ["DESTROYED", "FAILED"].iter().any(|status| ended == *status),
        "{ended}"
    );
    assert_eq!(trip.estate.limit_function("outcome", limit).await, limit);
    let row = trip.deploy("enc_next").await;
    assert_eq!(row["attestation"]["state"], "ATTESTED", "{row:#}");
    trip.destroy("enc_next").await;
}
