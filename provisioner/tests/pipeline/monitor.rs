//! The monitor: challenges, staleness, what is stuck, evidence that was tampered with.

use crate::common::{Enclave, World, healthy, report, text, web_row};
use contract::Status;
use contract::item;
use contract::report::{Phase, Report};
use contract::row::AttestationState;
use provisioner::monitor::monitor;
use provisioner::verify::Verdict;
use serde_json::json;
use std::time::Duration;

/// So long a challenge stays at least.
const CHALLENGE_STAYS: Duration = Duration::from_secs(45);

async fn look(world: &World) {
    let faults = monitor(&world.pipeline).await.unwrap().faults;
    assert!(faults.is_empty(), "{faults:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_row_gets_a_new_challenge_and_the_one_before_still_counts() {
    let world = World::new().await;
    let mut enclave = world.deployed("a").await;
    let before = world.row("a").await.expected.unwrap();
    world.clock.advance(CHALLENGE_STAYS);
    look(&world).await;
    let after = world.row("a").await.expected.unwrap();
    assert_ne!(after.challenge, before.challenge);
    assert_eq!(after.previous_challenge, Some(before.challenge));
    // Long enough after the last copy for this one to be news.
    world.clock.advance(Duration::from_secs(15));
    let mut report = |world: &World| Report {
        reported_at: world.clock.now_ms(),
        ..enclave.report(healthy())
    };
    assert_eq!(world.report(report(&world)).await, Verdict::Taken);
    world.clock.advance(CHALLENGE_STAYS);
    look(&world).await;
    let verdict = world.report(report(&world)).await;
    assert!(
        matches!(verdict, Verdict::Refused(_)),
        "two challenges later: {verdict:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_look_leaves_the_challenge_alone() {
    let world = World::new().await;
    let mut enclave = world.deployed("a").await;
    let mut challenges = vec![world.row("a").await.expected.unwrap().challenge];
    for _ in 0..2 {
        world.clock.advance(CHALLENGE_STAYS);
        for _ in 0..2 {
            look(&world).await;
            world.clock.advance(Duration::from_secs(1));
        }
        let expected = world.row("a").await.expected.unwrap();
        assert_eq!(expected.previous_challenge.as_ref(), challenges.last());
        challenges.push(expected.challenge);
    }
    // Asked for before either of the last two looks.
    enclave.challenge = hex::decode(&challenges[1]).unwrap();
    let on_its_way = Report {
        reported_at: world.clock.now_ms(),
        ..enclave.report(healthy())
    };
    assert_eq!(world.report(on_its_way).await, Verdict::Taken);
}

/// Of a row of before its time was kept, and of one whose time another wrote.
#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_without_a_time_of_ours_is_replaced() {
    let world = World::new().await;
    for (id, since) in [("older", None), ("future", Some(u64::MAX))] {
        world.deployed(id).await;
        let mut expected = item::to_plain_json(&world.item(id).await)["expected"].take();
        let before = expected["challenge"].clone();
        expected["challengeSince"] = since.into();
        expected
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        world.set(id, &json!({ "expected": expected }).to_string()).await;
        look(&world).await;
        let after = world.row(id).await.expected.unwrap();
        assert_eq!(json!(after.previous_challenge), before);
        assert!(after.challenge_since.unwrap() <= world.clock.now_ms());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_reports_goes_stale_and_comes_back() {
    let world = World::new().await;
    let mut enclave = world.deployed("a").await;
    world.clock.advance(Duration::from_secs(110));
    look(&world).await;
    assert_eq!(
        world.row("a").await.attestation.unwrap().state,
        AttestationState::Attested
    );
    world.clock.advance(Duration::from_secs(11));
    look(&world).await;
    let row = world.row("a").await;
    let attestation = row.attestation.unwrap();
    assert_eq!(
        (row.status, attestation.state),
        (Status::Deployed, AttestationState::Stale)
    );
    assert!(attestation.reason.unwrap().contains("no verified report"));

    // The host is heard again: here its clock and the pipeline's agree again.
    let world_now = Duration::from_secs(121);
    enclave.challenge = hex::decode(row.expected.unwrap().challenge).unwrap();
    let mut back = enclave.report(healthy());
    back.reported_at += world_now.as_millis() as u64;
    // The document's own time is a simulated host's: 121 s ago, so it is refused as old; a fresh pipeline clock takes it.
    let pipeline = provisioner::pipeline::Pipeline {
        clock: std::sync::Arc::new(provisioner::ports::SystemClock),
        ..world.pipeline.clone()
    };
    back.reported_at -= world_now.as_millis() as u64;
    let verdict = provisioner::verify::verify(&pipeline, back.to_item().unwrap())
        .await
        .unwrap();
    assert_eq!(verdict, Verdict::Taken);
    assert_eq!(
        world.row("a").await.attestation.unwrap().state,
        AttestationState::Attested
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stuck_fails_and_says_what_it_waited_for() {
    let world = World::new().await;
    world.assigned("launching").await;
    let mut enclave = Enclave::launch(&world.assigned("unhealthy").await);
    let unknown = contract::statement::Health {
        state: contract::statement::HealthState::Unknown,
        ..healthy()
    };
    world.report(enclave.report(unknown)).await;
    world.deployed("destroying").await;
    world.set_status("destroying", "PENDING_DESTROY").await;
    world.turn().await;
    world.put(web_row("lost")).await;
    world.records();

    look(&world).await;
    for id in ["launching", "unhealthy", "destroying"] {
        assert_ne!(world.status(id).await, "FAILED", "{id}");
    }
    world.clock.advance(Duration::from_secs(10 * 60 + 1));
    look(&world).await;
    for (id, awaited) in [
        ("launching", "evidence from its host"),
        ("unhealthy", "its application to be healthy"),
        ("destroying", "the enclave has stopped"),
    ] {
        assert_eq!(world.status(id).await, "FAILED", "{id}");
        let reason = world.reason(id).await;
        assert!(reason.contains(awaited), "{id}: {reason}");
    }
    assert_eq!(world.status("lost").await, "PENDING_DEPLOY");
    world.clock.advance(Duration::from_secs(5 * 60 + 1));
    look(&world).await;
    assert_eq!(world.status("lost").await, "FAILED");
    assert_eq!(world.told.0.lock().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_over_a_row_that_waited_long_is_not_stuck() {
    let world = World::new().await;
    world.assigned("a").await;
    world.clock.advance(Duration::from_secs(9 * 60));
    world.set_status("a", "PENDING_DESTROY").await;
    world.clock.advance(Duration::from_secs(2 * 60));
    look(&world).await;
    assert_eq!(world.status("a").await, "PENDING_DESTROY");
    world.turn().await;
    world.report(report("a", 2, Phase::Stopped)).await;
    assert_eq!(world.status("a").await, "DESTROYED");
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_was_tampered_with_in_the_row_is_found() {
    let world = World::new().await;
    world.deployed("a").await;
    look(&world).await;
    assert_eq!(world.status("a").await, "DEPLOYED");
    let mut json = item::to_plain_json(&world.item("a").await);
    json["attestation"]["document"] = "AAAA".into();
    let attestation = serde_json::json!({ "attestation": json["attestation"] });
    world.set("a", &attestation.to_string()).await;
    look(&world).await;
    let row = world.row("a").await;
    assert_eq!(
        (row.status, row.attestation.unwrap().state),
        (Status::Failed, AttestationState::Refused)
    );
    assert!(text(&row.item, "statusReason").contains("does not verify any more"));
}

/// What another than the pipeline may write over a DEPLOYED row, or make DEPLOYED.
#[tokio::test(flavor = "multi_thread")]
async fn a_deployed_row_without_good_evidence_of_its_time_fails() {
    let world = World::new().await;
    let forged = [
        ("expectation", "/expected", json!(null), "expected: is none"),
        (
            "generation",
            "/expected/generation",
            json!(9),
            "expected: is none",
        ),
        ("attestation", "/attestation", json!(null), "attestation: is none"),
        (
            "pending",
            "/attestation/state",
            json!("PENDING"),
            "attestation: is none",
        ),
        (
            "refused",
            "/attestation/state",
            json!("REFUSED"),
            "attestation: is none",
        ),
        (
            "no-time",
            "/attestation/verifiedAt",
            json!("soon"),
            "is not a time",
        ),
        (
            "future",
            "/attestation/verifiedAt",
            json!("2999-01-01T00:00:00Z"),
            "is in the future",
        ),
    ];
    for (id, place, value, _) in &forged {
        world.deployed(id).await;
        let mut row = item::to_plain_json(&world.item(id).await);
        *row.pointer_mut(place).unwrap() = value.clone();
        row.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        world.put(item::read(&row.to_string()).unwrap()).await;
    }
    look(&world).await;
    for (id, _, _, why) in &forged {
        assert_eq!(world.status(id).await, "FAILED", "{id}");
        let reason = world.reason(id).await;
        assert!(reason.contains(why), "{id}: {reason}");
    }
    assert_eq!(world.told.0.lock().unwrap().len(), forged.len());
}

/// What a client may write over a row whose request was taken up long ago: no record of it asks for anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_does_not_read_any_more_fails() {
    let world = World::new().await;
    world.assigned("waiting").await;
    world.set("waiting", r#"{"revision": "x"}"#).await;
    world.deployed("running").await;
    world.set("running", r#"{"expected": 3}"#).await;
    world
        .put(item::read(r#"{"id": "no/id", "status": "PENDING_DEPLOY", "revision": []}"#).unwrap())
        .await;
    world.records();
    for _ in 0..2 {
        look(&world).await;
    }
    for (id, field) in [("waiting", "revision"), ("running", "expected"), ("no/id", "id")] {
        assert_eq!(world.status(id).await, "FAILED", "{id}");
        let reason = world.reason(id).await;
        assert!(reason.contains(field), "{id}: {reason}");
    }
    assert_eq!(world.told.0.lock().unwrap().len(), 3);
}
