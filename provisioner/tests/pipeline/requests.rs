//! What a row asks for: every fault of it in its reason, and what a person should know.

use crate::common::{World, web_row, web_row_with};
use contract::item::{self, AttributeValue};

/// A row with this in its `providerConfig` comes to `status`, with every one of the words in its reason.
async fn reason_has(status: &str, config: &[(&str, AttributeValue)], words: &[&str]) {
    let world = World::new().await;
    world.put(web_row_with("a", config)).await;
    world.turn().await;
    assert_eq!(world.status("a").await, status);
    let reason = world.reason("a").await;
    assert!(words.iter().all(|word| reason.contains(word)), "{reason}");
}

fn services(name: &str) -> (&'static str, AttributeValue) {
    let services = vec![AttributeValue::S(name.into())];
    ("awsServices", AttributeValue::L(services))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_row_is_in_its_reason() {
    let config = [
        ("cpuCount", AttributeValue::S("0".into())),
        ("memoryMiB", AttributeValue::S("12".into())),
        services("nope"),
    ];
    reason_has("FAILED", &config, &["cpuCount", "memoryMiB", "awsServices"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_stand_in_the_reason() {
    let config = [
        ("gpuCount", AttributeValue::N("1".into())),
        ("enableDebug", AttributeValue::Bool(true)),
        services("kms"),
    ];
    reason_has("DEPLOYING", &config, &["debug", "gpuCount", "awsServices"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_none_fail_where_they_stand() {
    let world = World::new().await;
    for (row, id, fault) in [
        (r#"{"id": "a"}"#, "a", "status: is missing: write PENDING_DEPLOY"),
        (r#"{"id": "b", "status": "LAUNCH"}"#, "b", "unknown status"),
        (r#"{"id": "../x", "status": "PENDING_DEPLOY"}"#, "../x", "id"),
        (
            r#"{"id": "c", "status": "PENDING_DEPLOY", "expected": 3, "health": "x"}"#,
            "c",
            "health",
        ),
        (
            r#"{"id": "d", "status": "PENDING_DEPLOY", "generation": 18446744073709551615}"#,
            "d",
            "generation",
        ),
        (
            r#"{"id": "e", "status": "PENDING_DEPLOY"}"#,
            "e",
            "providerConfig",
        ),
    ] {
        world.put(item::read(row).unwrap()).await;
        world.turn().await;
        assert_eq!(world.status(id).await, "FAILED", "{row}");
        let reason = world.reason(id).await;
        assert!(reason.contains(fault), "{reason}");
    }
    assert_eq!(world.triggered().await, [], "what failed asks for nothing");
}

/// Whatever stands in a row, a request after its failure is taken up.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_none_can_be_asked_for_again_and_be_ended() {
    let world = World::new().await;
    for (id, wrong) in [
        ("status", ("status", None)),
        ("unknown", ("status", Some(AttributeValue::S("LAUNCH".into())))),
        ("expected", ("expected", Some(AttributeValue::N("3".into())))),
        ("health", ("health", Some(AttributeValue::S("x".into())))),
        (
            "last",
            ("generation", Some(AttributeValue::N(u64::MAX.to_string()))),
        ),
    ] {
        let mut row = web_row(id).into_inner();
        match wrong {
            (name, Some(value)) => row.insert(name.into(), value),
            (name, None) => row.remove(name),
        };
        world.put(row.into()).await;
        world.turn().await;
        assert_eq!(world.status(id).await, "FAILED", "{id}");
        let reason = world.reason(id).await;
        assert!(reason.contains(wrong.0), "{id}: {reason}");
        for (asked, settled) in [("PENDING_DEPLOY", "DEPLOYING"), ("PENDING_DESTROY", "DESTROYING")] {
            world.set_status(id, asked).await;
            world.turn().await;
            assert_eq!(
                world.status(id).await,
                settled,
                "{id}: {}",
                world.reason(id).await
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_does_not_read_names_the_faults_of_its_request_too() {
    let world = World::new().await;
    let mut row = web_row_with("a", &[("cpuCount", AttributeValue::S("3".into()))]).into_inner();
    row.insert("status".into(), AttributeValue::S("LAUNCH".into()));
    row.insert("expected".into(), AttributeValue::N("3".into()));
    world.put(row.into()).await;
    world.turn().await;
    let reason = world.reason("a").await;
    for word in [
        "unknown status",
        "expected: ",
        "providerConfig.cpuCount",
        "removed from the row: expected",
    ] {
        assert!(reason.contains(word), "no {word:?} in {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_is_none_fails_the_row_and_is_mended_by_it() {
    let world = World::new().await;
    for (id, revision) in [
        ("text", AttributeValue::S("x".into())),
        ("fraction", AttributeValue::N("1.5".into())),
        ("negative", AttributeValue::N("-1".into())),
        ("huge", AttributeValue::N("1e30".into())),
        ("list", AttributeValue::L(vec![AttributeValue::Bool(true)])),
        ("null", AttributeValue::Null(true)),
        ("no/id", AttributeValue::S("x".into())),
    ] {
        let mut row = web_row(id).into_inner();
        row.insert("revision".into(), revision.clone());
        world.put(row.into()).await;
        world.turn().await;
        if revision != AttributeValue::Null(true) {
            assert_eq!(world.status(id).await, "FAILED", "{id}");
            let reason = world.reason(id).await;
            assert!(reason.contains("revision"), "{id}: {reason}");
            world.set_status(id, "PENDING_DEPLOY").await;
            world.turn().await;
        }
        let mended = if id == "no/id" { "FAILED" } else { "DEPLOYING" };
        assert_eq!(world.status(id).await, mended, "{id}: {}", world.reason(id).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_cannot_hold_the_image_names_what_fits() {
    let world = World::new().await;
    for (id, mib, mend) in [
        ("a", 300, "write 2048"),
        ("b", 4096, "write 16384"),
        ("c", 4097, "make the image smaller"),
    ] {
        world.registry.measured.lock().unwrap().eif_bytes = mib << 20;
        world.put(web_row(id)).await;
        world.turn().await;
        let reason = world.reason(id).await;
        assert!(reason.contains(mend), "{reason}");
    }
}
