//! What a host's reports make of a row.

use crate::common::{Enclave, World, healthy, report};
use contract::Status;
use contract::report::{Phase, Report};
use contract::statement::{Exit, Health, HealthState};
use provisioner::verify::Verdict;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_ends_is_in_the_row_with_its_last_lines() {
    let world = World::new().await;
    let mut enclave = Enclave::launch(&world.assigned("a").await);
    let ended = Health {
        state: HealthState::Unhealthy,
        restarts: 3,
        last_exit: Some(Exit::Code(7)),
        ended: true,
        detail: "cannot open\u{1b}[31m the file".into(),
    };
    assert!(matches!(
        world.report(enclave.report(ended)).await,
        Verdict::Failed(_)
    ));
    let reason = world.reason("a").await;
    assert_eq!(world.status("a").await, "FAILED");
    assert!(
        reason.contains("exit code 7") && reason.contains("the file"),
        "{reason}"
    );
    assert!(!reason.contains('\u{1b}'));
    let row = world.row("a").await;
    assert!(
        row.endpoints.is_empty() && row.enclave.is_none(),
        "they are gone: {row:?}"
    );
    assert!(row.host_id.is_some(), "its host still has to stop it");
    // Its host stops it, says so, and may forget it. How the application ended stays.
    assert_eq!(world.report(report("a", 1, Phase::Stopped)).await, Verdict::Taken);
    let row = world.row("a").await;
    assert_eq!((row.status, row.host_id, row.host), (Status::Failed, None, None));
    assert_eq!(row.health.unwrap().last_exit.as_deref(), Some("exit code 7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_failed_shows_nothing_of_the_enclave_that_is_gone() {
    let world = World::new().await;
    world.deployed("a").await;
    let running = world.row("a").await;
    assert!(!running.endpoints.is_empty() && running.enclave.is_some() && running.health.is_some());
    let mut failed = report("a", 1, Phase::Failed);
    failed.reason = Some("the enclave ended: its kernel panicked".into());
    assert!(matches!(world.report(failed).await, Verdict::Failed(_)));
    let row = world.row("a").await;
    assert!(
        row.endpoints.is_empty() && row.enclave.is_none() && row.health.is_none(),
        "{row:?}"
    );
    assert!(
        !row.attestation.unwrap().document.is_empty(),
        "the last evidence stays"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_probe_gets_is_copied_as_it_changes_and_named_when_it_was_waited_for_too_long() {
    let world = World::new().await;
    let mut enclave = Enclave::launch(&world.assigned("a").await);
    let unknown = |detail: &str| Health {
        state: HealthState::Unknown,
        detail: detail.into(),
        ..healthy()
    };
    assert_eq!(
        world.report(enclave.report(unknown("is starting"))).await,
        Verdict::Taken
    );
    let missed = "GET /wrong on port 80: status 404";
    assert_eq!(
        world.report(enclave.report(unknown(missed))).await,
        Verdict::Taken
    );
    assert_eq!(world.row("a").await.health.unwrap().detail, missed);
    let more = format!("{missed}\nlast output:\nhello");
    assert!(matches!(
        world.report(enclave.report(unknown(&more))).await,
        Verdict::Ignored(_)
    ));
    world.clock.advance(Duration::from_secs(10 * 60 + 1));
    provisioner::monitor::monitor(&world.pipeline).await.unwrap();
    let reason = world.reason("a").await;
    assert!(reason.contains(missed), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_lines_of_a_log_stay_lines_in_the_row() {
    let world = World::new().await;
    world.assigned("a").await;
    let mut failed = report("a", 1, Phase::Failed);
    failed.log_tail = Some("one\r\ntwo\u{1b}[31m\nthree\n".into());
    world.report(failed).await;
    let reason = world.reason("a").await;
    assert!(
        reason.ends_with("last lines: one\ntwo\u{fffd}[31m\nthree"),
        "{reason:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_ended_well_is_deployed() {
    let world = World::new().await;
    let mut enclave = Enclave::launch(&world.assigned("a").await);
    let done = Health {
        last_exit: Some(Exit::Code(0)),
        ended: true,
        ..healthy()
    };
    assert_eq!(world.report(enclave.report(done)).await, Verdict::Taken);
    assert_eq!(world.status("a").await, "DEPLOYED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosts_failure_is_marked_as_its_word() {
    let world = World::new().await;
    world.assigned("a").await;
    let mut failed = report("a", 1, Phase::Failed);
    failed.reason = Some("no heartbeat in 60 s".into());
    failed.log_tail = Some("Kernel panic".into());
    assert!(matches!(world.report(failed).await, Verdict::Failed(_)));
    assert_eq!(
        world.reason("a").await,
        "the host says: no heartbeat in 60 s; last lines: Kernel panic"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_say_nothing_new_are_copied_once_a_minute() {
    let world = World::new().await;
    let mut enclave = world.deployed("a").await;
    let revision = world.row("a").await.revision;
    assert!(matches!(
        world.report(enclave.report(healthy())).await,
        Verdict::Ignored(_)
    ));
    assert_eq!(world.row("a").await.revision, revision);
    world.clock.advance(Duration::from_secs(61));
    let mut timely = |health| Report {
        reported_at: world.clock.now_ms(),
        ..enclave.report(health)
    };
    assert_eq!(world.report(timely(healthy())).await, Verdict::Taken);
    let degraded = Health {
        state: HealthState::Degraded,
        restarts: 1,
        ..healthy()
    };
    assert_eq!(world.report(timely(degraded)).await, Verdict::Taken);
    assert_eq!(world.row("a").await.health.unwrap().restarts, 1);
}
