//! A host that lies: nothing of it reaches the row.

use crate::common::{Enclave, Launch, World, healthy, now_ms, report, web_row, web_row_with};
use contract::Status;
use contract::item::{AttributeValue, Item};
use contract::report::{Phase, Report};
use contract::row::AttestationState;
use provisioner::monitor::monitor;
use provisioner::verify::{self, Verdict};
use std::time::Duration;

/// The row without what a refusal changes.
async fn facts(world: &World, id: &str) -> Vec<Option<AttributeValue>> {
    let item = world.item(id).await;
    [
        "expected",
        "health",
        "endpoints",
        "enclave",
        "host",
        "hostId",
        "generation",
        "providerConfig",
    ]
    .iter()
    .map(|name| item.get(*name).cloned())
    .collect()
}

/// The report is refused with `code` in its reason, the row FAILED, and nothing of the report in the row.
async fn refused(world: &World, id: &str, report: Report, code: &str) {
    let before = facts(world, id).await;
    let verdict = world.report(report).await;
    assert!(
        matches!(&verdict, Verdict::Refused(why) if why.contains(code)),
        "{code}: {verdict:?}"
    );
    assert_eq!(facts(world, id).await, before, "{code}");
    let row = world.row(id).await;
    assert_eq!(row.status, Status::Failed, "{code}");
    assert!(row.status_reason.unwrap().contains(code));
    let attestation = row.attestation.unwrap();
    assert_eq!(attestation.state, AttestationState::Refused);
    assert!(attestation.document.is_empty() && attestation.statement.is_empty());
    assert_eq!(world.told.0.lock().unwrap().len(), 1);
    world.told.0.lock().unwrap().clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_of_the_row_in_a_report_refuse_it_whole() {
    let world = World::new().await;
    let mut enclave = Enclave::launch(&world.assigned("a").await);
    let revision = world.row("a").await.revision;
    for forged in [
        "status",
        "health",
        "expected",
        "attestation",
        "hostId",
        "revision",
    ] {
        let mut item = enclave.report(healthy()).to_item().unwrap().into_inner();
        item.insert(forged.into(), AttributeValue::S("DEPLOYED".into()));
        let verdict = verify::verify(&world.pipeline, Item::from(item)).await.unwrap();
        assert!(matches!(verdict, Verdict::Rejected(_)), "{forged}");
    }
    assert_eq!(world.row("a").await.revision, revision);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_another_enclave_is_refused() {
    let world = World::new().await;
    let other = world.assigned("other").await;
    type Forge = fn(Launch) -> Launch;
    let forges: [(&str, &str, Forge); 4] = [
        ("pcr", "pcrs[0]", |launch| Launch {
            pcr0: [0x66; 48],
            ..launch
        }),
        ("instance", "i-0fedcba9876543210", |launch| Launch {
            instance: "i-0fedcba9876543210".into(),
            ..launch
        }),
        ("generation", "generation", |launch| Launch {
            generation: 7,
            ..launch
        }),
        ("record", "record", |launch| Launch {
            record_id: "other".into(),
            ..launch
        }),
    ];
    for (id, _, forge) in forges {
        let row = world.assigned(id).await;
        let mut enclave = forge(Launch::of(&row)).enclave(&row);
        let forged = Report {
            id: id.into(),
            generation: 1,
            ..enclave.report(healthy())
        };
        refused(&world, id, forged, "").await;
    }
    // A good enclave of another row, with the same image, under this row's id.
    let row = world.assigned("a").await;
    let mut stolen = Enclave::launch(&other);
    stolen.challenge = Enclave::launch(&row).challenge;
    let forged = Report {
        id: "a".into(),
        ..stolen.report(healthy())
    };
    refused(&world, "a", forged, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_nonce_and_an_old_document_are_refused() {
    let world = World::new().await;
    let mut enclave = Enclave::launch(&world.assigned("a").await);
    enclave.challenge = vec![7; 32];
    refused(&world, "a", enclave.report(healthy()), "nonce").await;

    let mut enclave = Enclave::launch(&world.assigned("b").await);
    let old = enclave.report(healthy());
    world.clock.advance(Duration::from_secs(125));
    let forged = Report {
        reported_at: now_ms() + 125_000,
        ..old
    };
    refused(&world, "b", forged, "stale").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_is_refused() {
    let world = World::new().await;
    for (at, id) in ["statement", "document"].into_iter().enumerate() {
        let mut enclave = Enclave::launch(&world.assigned(id).await);
        let mut forged = enclave.report(healthy());
        let bytes = if at == 0 {
            &mut forged.statement
        } else {
            &mut forged.document
        };
        let bytes = bytes.as_mut().unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        refused(&world, id, forged, "").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debug_document_needs_a_row_that_asked_for_it() {
    let world = World::new().await;
    let row = world.assigned("a").await;
    let mut enclave = Launch {
        debug: true,
        ..Launch::of(&row)
    }
    .enclave(&row);
    refused(&world, "a", enclave.report(healthy()), "debug").await;

    world
        .put(web_row_with("b", &[("enableDebug", AttributeValue::Bool(true))]))
        .await;
    world.turn().await;
    let row = world.row("b").await;
    let mut enclave = Launch {
        debug: true,
        ..Launch::of(&row)
    }
    .enclave(&row);
    assert_eq!(world.report(enclave.report(healthy())).await, Verdict::Taken);
    let row = world.row("b").await;
    assert_eq!(row.status, Status::Deployed);
    assert_eq!(row.attestation.unwrap().state, AttestationState::Debug);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_generation_is_not_judged() {
    let world = World::new().await;
    let row = world.assigned("a").await;
    let mut enclave = Enclave::launch(&row);
    let revision = row.revision;
    let newer = Report {
        generation: 2,
        ..enclave.report(healthy())
    };
    assert!(matches!(world.report(newer).await, Verdict::Rejected(_)));
    let older = Report {
        generation: 0,
        ..enclave.report(healthy())
    };
    assert!(matches!(world.report(older).await, Verdict::Ignored(_)));
    let nobodys = Report {
        id: "nobody".into(),
        ..enclave.report(healthy())
    };
    assert!(matches!(world.report(nobodys).await, Verdict::Ignored(_)));
    assert_eq!(world.row("a").await.revision, revision);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_are_ignored_and_a_second_boot_is_refused() {
    let world = World::new().await;
    let mut enclave = world.deployed("a").await;
    let row = world.row("a").await;
    let repeat = enclave.same_report();
    assert!(matches!(world.report(repeat).await, Verdict::Ignored(_)));
    enclave.statement.sequence = 0;
    assert!(matches!(
        world.report(enclave.same_report()).await,
        Verdict::Ignored(_)
    ));
    assert_eq!(world.row("a").await.revision, row.revision);

    let mut second = Enclave::launch(&row);
    let verdict = world.report(second.report(healthy())).await;
    assert!(
        matches!(&verdict, Verdict::Refused(why) if why.contains("boot")),
        "{verdict:?}"
    );
    let after = world.row("a").await;
    assert_eq!(after.status, Status::Failed);
    assert_eq!(
        after.attestation.unwrap().document,
        row.attestation.unwrap().document
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_report_is_nobodys_fault() {
    let world = World::new().await;
    let mut enclave = world.deployed("a").await;
    let late = enclave.report(healthy());
    // Two challenges later, and an hour.
    for by in [45, 45, 3600] {
        world.clock.advance(Duration::from_secs(by));
        monitor(&world.pipeline).await.unwrap();
        let verdict = world.report(late.clone()).await;
        assert!(matches!(verdict, Verdict::Ignored(_)), "{verdict:?}");
        assert_eq!(world.status("a").await, "DEPLOYED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_cannot_move_a_row_by_its_word_alone() {
    let world = World::new().await;
    world.put(web_row("a")).await;
    world.turn().await;
    let revision = world.row("a").await.revision;
    let stopped = world.report(report("a", 1, Phase::Stopped)).await;
    assert!(matches!(stopped, Verdict::Ignored(_)), "{stopped:?}");
    let launching = world.report(report("a", 1, Phase::Launching)).await;
    assert!(matches!(launching, Verdict::Ignored(_)), "{launching:?}");
    assert_eq!(world.row("a").await.revision, revision);
    refused(&world, "a", report("a", 1, Phase::Running), "no evidence").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_evidence_does_not_bring_a_paused_row_back() {
    let world = World::new().await;
    let mut enclave = world.deployed("a").await;
    world.set_status("a", "PAUSING").await;
    world.turn().await;
    world.report(report("a", 2, Phase::Stopped)).await;
    world.set_status("a", "RESUMING").await;
    // Before the trigger has seen the request, and after.
    for generation in [1, 2] {
        let replay = Report {
            generation,
            ..enclave.report(healthy())
        };
        assert!(matches!(world.report(replay).await, Verdict::Ignored(_)));
    }
    world.turn().await;
    assert_eq!(world.status("a").await, "RESUMING");
    let forged = Report {
        generation: 3,
        ..enclave.report(healthy())
    };
    let verdict = world.report(forged).await;
    assert!(matches!(verdict, Verdict::Refused(_)), "{verdict:?}");
}
