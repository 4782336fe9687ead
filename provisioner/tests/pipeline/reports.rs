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
    // Its host stops it, says so, and may forget it.
    assert_eq!(world.report(report("a", 1, Phase::Stopped)).await, Verdict::Taken);
    let row = world.row("a").await;
    assert_eq!((row.status, row.host_id), (Status::Failed, None));
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
