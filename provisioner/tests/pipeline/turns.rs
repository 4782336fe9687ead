//! The life of a row, from the record in its stream to the evidence in it and back.

use crate::common::{Enclave, INSTANCE, World, digest, healthy, id, report, web_row, web_row_with};
use contract::Status;
use contract::item::{self, AttributeValue};
use contract::report::{Phase, Report};
use contract::row::AttestationState;
use contract::statement::{Exit, Health, HealthState};
use provisioner::pipeline::{Error, Step};
use provisioner::verify::Verdict;
use provisioner::{fail, finish, measure, place, trigger, workflow};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_row_deploys_and_proves_itself() {
    let world = World::new().await;
    let row = world.assigned("a").await;
    assert_eq!((row.status, row.generation), (Status::Deploying, 1));
    let expected = row.current_expectation().unwrap();
    assert_eq!(expected.image_digest, digest('a'));
    assert_eq!(
        expected.pcrs.keys().collect::<Vec<_>>(),
        ["0", "1", "16", "2", "4"]
    );
    assert_eq!(row.host_id.as_deref(), Some(INSTANCE));
    assert_eq!(row.attestation.as_ref().unwrap().state, AttestationState::Pending);

    let mut enclave = Enclave::launch(&row);
    let starting = Health {
        state: HealthState::Unknown,
        ..healthy()
    };
    assert_eq!(world.report(enclave.report(starting)).await, Verdict::Taken);
    let row = world.row("a").await;
    assert_eq!(row.status, Status::Deploying, "it attests and is not healthy yet");
    assert_eq!(
        row.attestation.as_ref().unwrap().state,
        AttestationState::Attested
    );

    assert_eq!(world.report(enclave.report(healthy())).await, Verdict::Taken);
    let row = world.row("a").await;
    assert_eq!((row.status, row.status_since), (Status::Deployed, None));
    let attestation = row.attestation.unwrap();
    assert_eq!(attestation.trust.as_deref(), Some("development"));
    assert_eq!(attestation.statement, enclave.statement.encode());
    assert_eq!(row.health.unwrap().state, "HEALTHY");
    assert_eq!(row.endpoints[0].address, "127.0.0.1:4000");
    let name = row.enclave.unwrap().enclave_id;
    assert!(
        name.starts_with(INSTANCE),
        "the document's name, not the host's word: {name}"
    );
    assert!(world.told.0.lock().unwrap().is_empty());
    // What the client wrote is as it was.
    assert_eq!(row.item.get("providerConfig"), web_row("a").get("providerConfig"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_destroyed_once_though_it_is_asked_twice() {
    let world = World::new().await;
    world.deployed("a").await;
    world.set_status("a", "PENDING_DESTROY").await;
    world.turn().await;
    let row = world.row("a").await;
    assert_eq!((row.status, row.generation), (Status::Destroying, 2));
    assert!(row.host_id.is_some(), "the host still has to stop it");
    assert_eq!(world.report(report("a", 2, Phase::Stopped)).await, Verdict::Taken);
    let row = world.row("a").await;
    assert_eq!(row.status, Status::Destroyed);
    assert!(row.host_id.is_none() && row.host.is_none() && row.enclave.is_none() && row.endpoints.is_empty());
    let attestation = row.attestation.unwrap();
    assert_eq!(attestation.state, AttestationState::Stale);
    assert!(!attestation.document.is_empty() && !attestation.statement.is_empty());

    // The web application asks once more; nothing is there to be ended.
    world.set_status("a", "PENDING_DESTROY").await;
    world.turn().await;
    assert_eq!(world.status("a").await, "DESTROYED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_stopped_before_it_was_waited_for_is_heard() {
    let world = World::new().await;
    world.deployed("a").await;
    world.set_status("a", "PENDING_DESTROY").await;
    let executions = world.triggered().await;
    assert!(matches!(
        world.report(report("a", 2, Phase::Stopped)).await,
        Verdict::Ignored(_)
    ));
    workflow::run(&world.pipeline, &executions[0]).await;
    assert_eq!(world.status("a").await, "DESTROYED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_row_resumes_with_the_same_image_and_new_evidence() {
    let world = World::new().await;
    world.deployed("a").await;
    let before = world.row("a").await;
    world.set_status("a", "PAUSING").await;
    world.turn().await;
    assert_eq!(world.status("a").await, "PAUSING");
    world.report(report("a", 2, Phase::Stopped)).await;
    let paused = world.row("a").await;
    assert_eq!((paused.status, paused.host_id), (Status::Paused, None));

    // The tag names another image by now.
    world.registry.measured.lock().unwrap().image_digest = digest('c');
    world.set_status("a", "RESUMING").await;
    world.turn().await;
    let row = world.row("a").await;
    let (then, now) = (before.expected.unwrap(), row.current_expectation().unwrap());
    assert_eq!(
        (&now.image_digest, &now.bundle),
        (&then.image_digest, &then.bundle)
    );
    assert_eq!(now.pcrs["0"], then.pcrs["0"]);
    assert_ne!(
        (&now.challenge, &now.pcrs["16"]),
        (&then.challenge, &then.pcrs["16"])
    );
    let mut enclave = Enclave::launch(&row);
    world.report(enclave.report(healthy())).await;
    let row = world.row("a").await;
    assert_eq!((row.status, row.generation), (Status::Deployed, 3));
    assert_ne!(
        row.attestation.unwrap().statement,
        before.attestation.unwrap().statement
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_and_reordered_records_do_nothing_twice() {
    let world = World::new().await;
    world.put(web_row("a")).await;
    let records = world.records();
    let first = trigger::handle(&world.pipeline, &records[0])
        .await
        .unwrap()
        .unwrap();
    let again = trigger::handle(&world.pipeline, &records[0])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.name(), "a-1");
    assert_eq!(first, again, "the same execution, which is there already");
    workflow::run(&world.pipeline, &first).await;
    let revision = world.row("a").await.revision;
    workflow::run(&world.pipeline, &first).await;
    assert_eq!(
        world.row("a").await.revision,
        revision,
        "a second run finds nothing to do"
    );
    assert_eq!(*world.registry.asked.lock().unwrap(), 1);

    world.set_status("a", "PENDING_DESTROY").await;
    let later = world.records();
    assert_eq!(world.triggered().await, []);
    for record in later.iter().chain(&records).chain(&later) {
        let execution = trigger::handle(&world.pipeline, record).await.unwrap();
        if let Some(execution) = execution {
            assert_eq!(execution.name(), "a-2");
        }
    }
    assert_eq!(world.row("a").await.generation, 2);
    // The first record once more: an older sequence.
    assert_eq!(trigger::handle(&world.pipeline, &records[0]).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_row_deploys_again() {
    let world = World::new().await;
    world
        .registry
        .faults
        .lock()
        .unwrap()
        .push(Error::Final("no such image: push it first".into()));
    world.put(web_row("a")).await;
    world.turn().await;
    assert_eq!(world.status("a").await, "FAILED");
    assert_eq!(world.reason("a").await, "no such image: push it first");
    assert_eq!(world.told.0.lock().unwrap().len(), 1);
    world.set_status("a", "PENDING_DEPLOY").await;
    world.turn().await;
    let row = world.row("a").await;
    assert_eq!(
        (row.status, row.generation, row.status_reason),
        (Status::Deploying, 2, None)
    );
    // The client writes the row anew, without anything of ours: the generation still rises.
    world.put(web_row("a")).await;
    world.put(web_row("a")).await;
    world.turn().await;
    let row = world.row("a").await;
    assert_eq!(
        (row.status, row.generation),
        (Status::Deploying, 3),
        "once: the second write changed no status"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_tried_again() {
    let world = World::new().await;
    world
        .registry
        .faults
        .lock()
        .unwrap()
        .push(Error::Passing("the registry does not answer".into()));
    world.assigned("a").await;
    assert_eq!(*world.registry.asked.lock().unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_row_is_in_its_reason() {
    let world = World::new().await;
    let config = [
        ("cpuCount", AttributeValue::S("0".into())),
        ("memoryMiB", AttributeValue::S("12".into())),
        (
            "awsServices",
            AttributeValue::L(vec![AttributeValue::S("nope".into())]),
        ),
    ];
    world.put(web_row_with("a", &config)).await;
    world.turn().await;
    let reason = world.reason("a").await;
    assert_eq!(world.status("a").await, "FAILED");
    assert!(
        ["cpuCount", "memoryMiB", "awsServices"]
            .iter()
            .all(|name| reason.contains(name)),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_none_fail_where_they_stand() {
    let world = World::new().await;
    for (row, id, fault) in [
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
async fn warnings_stand_in_the_reason() {
    let world = World::new().await;
    let config = [
        ("gpuCount", AttributeValue::N("1".into())),
        ("enableDebug", AttributeValue::Bool(true)),
        (
            "awsServices",
            AttributeValue::L(vec![AttributeValue::S("kms".into())]),
        ),
    ];
    world.put(web_row_with("a", &config)).await;
    world.turn().await;
    let reason = world.reason("a").await;
    assert_eq!(world.status("a").await, "DEPLOYING");
    assert!(
        ["debug", "gpuCount", "awsServices"]
            .iter()
            .all(|name| reason.contains(name)),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_cannot_hold_the_image_names_what_fits() {
    let world = World::new().await;
    world.registry.measured.lock().unwrap().eif_bytes = 300 << 20;
    world.put(web_row("a")).await;
    world.turn().await;
    let reason = world.reason("a").await;
    assert!(reason.contains("write 2048"), "{reason}");
}

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

/// PENDING_DESTROY wherever a deployment stands: nothing of the deployment is written after it.
#[tokio::test(flavor = "multi_thread")]
async fn pending_destroy_wins_at_every_step() {
    const STEPS: usize = 7;
    for step in 0..STEPS {
        let world = std::sync::Arc::new(World::new().await);
        world.put(web_row("a")).await;
        let destroy = {
            let world = world.clone();
            move || {
                let world = world.clone();
                Box::pin(async move { world.set_status("a", "PENDING_DESTROY").await })
                    as futures_util::future::BoxFuture<'static, ()>
            }
        };
        let records = world.records();
        let pipeline = &world.pipeline;
        match step {
            0 => {
                destroy().await;
                assert_eq!(trigger::handle(pipeline, &records[0]).await.unwrap(), None);
            }
            1 => {
                let execution = trigger::handle(pipeline, &records[0]).await.unwrap().unwrap();
                destroy().await;
                workflow::run(pipeline, &execution).await;
            }
            2 => {
                let execution = trigger::handle(pipeline, &records[0]).await.unwrap().unwrap();
                world.validated(&execution).await;
                destroy().await;
                assert_eq!(measure::measure(pipeline, &id("a"), 1).await.unwrap(), None);
            }
            3 | 4 => {
                let execution = trigger::handle(pipeline, &records[0]).await.unwrap().unwrap();
                let hook = if step == 3 {
                    &world.registry.hook
                } else {
                    &world.hosts.hook
                };
                *hook.lock().unwrap() = Some(std::sync::Arc::new(destroy));
                workflow::run(pipeline, &execution).await;
            }
            5 => {
                let execution = trigger::handle(pipeline, &records[0]).await.unwrap().unwrap();
                workflow::run(pipeline, &execution).await;
                let mut enclave = Enclave::launch(&world.row("a").await);
                destroy().await;
                assert!(matches!(
                    world.report(enclave.report(healthy())).await,
                    Verdict::Ignored(_)
                ));
                let failed = world.report(report("a", 1, Phase::Failed)).await;
                assert!(matches!(failed, Verdict::Ignored(_)), "{failed:?}");
            }
            _ => {
                let execution = trigger::handle(pipeline, &records[0]).await.unwrap().unwrap();
                world.validated(&execution).await;
                destroy().await;
                let from = [Status::PendingDeploy, Status::Deploying];
                let step = fail::fail(pipeline, &id("a"), 1, &from, "too late")
                    .await
                    .unwrap();
                assert_eq!(step, Step::Superseded);
                let measured = crate::common::image();
                let step = place::place(pipeline, &id("a"), 1, &measured).await.unwrap();
                assert_eq!(step, Step::Superseded);
            }
        }
        assert_eq!(world.status("a").await, "PENDING_DESTROY", "step {step}");
        world.turn().await;
        let row = world.row("a").await;
        if row.host_id.is_some() {
            assert_eq!(row.status, Status::Destroying, "step {step}");
            world.report(report("a", row.generation, Phase::Stopped)).await;
        }
        assert_eq!(world.status("a").await, "DESTROYED", "step {step}");
        assert!(world.told.0.lock().unwrap().is_empty(), "step {step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_goes_on_from_wherever_it_was_broken_off() {
    let world = World::new().await;
    world.put(web_row("a")).await;
    let execution = world.triggered().await.remove(0);
    world.validated(&execution).await;
    workflow::run(&world.pipeline, &execution).await;
    let challenge = world.row("a").await.expected.unwrap().challenge;
    workflow::run(&world.pipeline, &execution).await;
    assert_eq!(world.row("a").await.expected.unwrap().challenge, challenge);
    world.set_status("a", "PENDING_DESTROY").await;
    let execution = world.triggered().await.remove(0);
    for _ in 0..2 {
        assert_eq!(
            finish::destroy(&world.pipeline, &id("a"), 2).await.unwrap(),
            Step::Done
        );
    }
    world.report(report("a", 2, Phase::Stopped)).await;
    workflow::run(&world.pipeline, &execution).await;
    assert_eq!(world.status("a").await, "DESTROYED");
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_at_once_lose_nothing() {
    let world = std::sync::Arc::new(World::new().await);
    world.put(web_row("a")).await;
    world.put(web_row("b")).await;
    let executions = world.triggered().await;
    let runs = executions
        .iter()
        .flat_map(|execution| [execution; 4])
        .cloned()
        .map(|execution| {
            let world = world.clone();
            tokio::spawn(async move { workflow::run(&world.pipeline, &execution).await })
        });
    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap();
    }
    for id in ["a", "b"] {
        let row = world.row(id).await;
        assert_eq!((row.status, row.generation), (Status::Deploying, 1));
        assert_eq!(row.revision, Some(3), "taken up, validated, placed: each once");
    }
}
