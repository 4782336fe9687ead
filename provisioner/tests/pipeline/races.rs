//! Whatever comes in between: repeats, another request, a turn that was broken off, writers at once.

use crate::common::{Enclave, World, healthy, id, report, web_row};
use contract::Status;
use contract::report::Phase;
use provisioner::pipeline::Step;
use provisioner::verify::Verdict;
use provisioner::{fail, finish, measure, place, trigger, workflow};
use std::sync::atomic::Ordering;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_an_id_that_had_turns_goes_on_counting() {
    let world = World::new().await;
    world.hosts.latest_turn.store(7, Ordering::Relaxed);
    world.put(web_row("a")).await;
    let [execution] = world.triggered().await.try_into().unwrap();
    assert_eq!(
        execution.name(),
        "a-8",
        "executions of a-1 to a-7 have their names for good"
    );
    world.set_status("a", "PENDING_DESTROY").await;
    let [execution] = world.triggered().await.try_into().unwrap();
    assert_eq!(execution.name(), "a-9");
}
