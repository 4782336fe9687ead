//! A table that was there before, and commands that were cut off: the same command goes on from there.

use crate::checkout::Checkout;
use end_to_end::programs::run;
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

const DYNAMODB: &str = "DynamoDB_20120810";
const TABLE: &str = "enclaves-of-the-application";
const PATIENCE: Duration = Duration::from_secs(120);

async fn dynamodb(checkout: &Checkout, operation: &str, body: Value) -> Value {
    let target = format!("{DYNAMODB}.{operation}");
    checkout.account().json("dynamodb", &target, &body).await.unwrap()
}

/// A table as the web application makes it, without stream and indexes, with a row.
async fn make_table(checkout: &Checkout) {
    let key = json!([{"AttributeName": "id", "KeyType": "HASH"}]);
    let attributes = json!([{"AttributeName": "id", "AttributeType": "S"}]);
    let table = json!({
        "TableName": TABLE, "KeySchema": key, "AttributeDefinitions": attributes, "BillingMode": "PAY_PER_REQUEST",
    });
    dynamodb(checkout, "CreateTable", table).await;
    let row = json!({"id": {"S": "old"}, "status": {"S": "DESTROYED"}});
    dynamodb(checkout, "PutItem", json!({"TableName": TABLE, "Item": row})).await;
}

async fn tables(checkout: &Checkout) -> Vec<String> {
    let held = checkout.held().await;
    held.of_kind("table").into_iter().map(str::to_owned).collect()
}

/// A bootstrap that is told to end, as by Ctrl-C, in Terraform's middle: it waits for Terraform, which notes what it made.
async fn interrupt(checkout: &Checkout) {
    let words = [
        "cloud",
        "bootstrap",
        "--environment",
        "dev",
        "--emulated",
        "--yes",
        "--rows-table",
        TABLE,
    ];
    let said = checkout.at("interrupted");
    let mut command = checkout.treza(&words);
    let mut running = command.stderr(fs::File::create(&said).unwrap()).spawn().unwrap();
    let begun = Instant::now();
    // Once it is asked after the topic is made; a call that is under way is broken off, and what it made is not noted.
    while !checkout
        .emulated()
        .calls()
        .iter()
        .any(|call| call == "sns:GetTopicAttributes")
    {
        assert!(
            begun.elapsed() < PATIENCE,
            "{}",
            fs::read_to_string(&said).unwrap()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    run("/bin/kill", ["-INT", &running.id().to_string()]);
    let status = tokio::task::block_in_place(|| running.wait()).unwrap();
    let said = fs::read_to_string(&said).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("interrupted: what is made is noted"), "{said}");
    let noted = fs::read_to_string(checkout.kept("base.tfstate")).unwrap();
    assert!(noted.contains("treza-dev-alerts"), "{noted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_there_is_used_and_what_was_cut_off_goes_on() {
    let checkout = Checkout::new().await;
    make_table(&checkout).await;

    // What the table needs is shown, and not done unasked.
    let shown = checkout.typed("y\nn\n", &["bootstrap", "--rows-table", TABLE]);
    assert_eq!(shown.code, 2, "{shown:#?}");
    for needed in [
        "StreamViewType=NEW_AND_OLD_IMAGES",
        "StatusIndex",
        "HostIndex",
        "WalletIndex",
        "Make these calls?",
    ] {
        assert!(shown.stdout.contains(needed), "{needed}: {shown:#?}");
    }
    let described = dynamodb(&checkout, "DescribeTable", json!({"TableName": TABLE})).await;
    assert!(described["Table"]["StreamSpecification"].is_null(), "{described}");

    // The first bootstrap ends in its middle: there is a bucket, and no topic.
    let fault = json!([{"action": "CreateTopic", "code": "AuthorizationError", "status": 403}]);
    checkout.emulated().refuse(&fault).await.unwrap();
    let cut_off = checkout.cloud(&["bootstrap", "--yes", "--rows-table", TABLE]);
    assert_eq!(cut_off.code, 1, "{cut_off:#?}");
    assert!(
        cut_off.stderr.contains("creating SNS Topic") && cut_off.stderr.contains("goes on from there"),
        "{cut_off:#?}"
    );
    assert!(checkout.kept("base.tfstate").exists());
    let status = checkout.json(&["status"]);
    assert!(
        status["unfinished"]
            .as_str()
            .unwrap()
            .ends_with("dev/123456789012-us-west-2/base.tfstate"),
        "{status}"
    );
    // What was begun here is no beginning elsewhere.
    let elsewhere = checkout.json(&["status", "--region", "eu-west-1"]);
    assert_eq!(elsewhere["unfinished"], Value::Null, "{elsewhere}");
    let deploy = checkout.cloud(&["deploy", "--yes", "--host-package", "none"]);
    assert_eq!(deploy.code, 2, "{deploy:#?}");
    assert!(deploy.stderr.contains("treza cloud bootstrap"), "{deploy:#?}");

    interrupt(&checkout).await;
    let again = checkout
        .cloud(&["bootstrap", "--yes", "--rows-table", TABLE])
        .good();
    assert!(again.stderr.contains("goes on from the state in"), "{again:#?}");
    assert!(!checkout.kept("base.tfstate").exists());
    let status = checkout.json(&["status"]);
    assert_eq!(
        status["made"],
        json!({"base": true, "runtime": false}),
        "{status}"
    );
    assert_eq!(
        status["rows"],
        json!({"DESTROYED": 1}),
        "rows are counted in the table that was there: {status}"
    );
    assert_eq!(
        tables(&checkout).await,
        [
            format!("table {TABLE}").as_str(),
            "table treza-dev-reports",
            "table treza-dev-turns"
        ]
    );

    // The table is remembered, and cannot be changed for another by a word.
    let same = checkout.cloud(&["bootstrap", "--yes"]).good();
    assert!(same.stderr.contains("No changes"), "{same:#?}");
    let other = checkout.cloud(&["bootstrap", "--yes", "--rows-table", "another"]);
    assert_eq!(other.code, 2, "{other:#?}");
    assert!(
        other.stderr.contains(&format!("are in table {TABLE}")),
        "{other:#?}"
    );

    // The end ends in its middle: the bucket of the state is gone, and a table is left.
    let fault = json!([{"action": "DeleteTable", "code": "AccessDeniedException", "message": "not today", "status": 400}]);
    checkout.emulated().refuse(&fault).await.unwrap();
    let cut_off = checkout.cloud(&["destroy", "--base", "--yes"]);
    assert_eq!(cut_off.code, 1, "{cut_off:#?}");
    assert!(cut_off.stderr.contains("not today"), "{cut_off:#?}");
    assert!(checkout.json(&["status"])["unfinished"].is_string());
    checkout.cloud(&["destroy", "--base", "--yes"]).good();
    assert_eq!(checkout.json(&["status"])["unfinished"], Value::Null);

    // The web application's table and its rows are its own.
    assert_eq!(tables(&checkout).await, [format!("table {TABLE}")]);
    let rows = dynamodb(&checkout, "Scan", json!({"TableName": TABLE})).await;
    assert_eq!(rows["Count"], 1);
    dynamodb(&checkout, "DeleteTable", json!({"TableName": TABLE})).await;
    checkout.is_as_before().await;
}
