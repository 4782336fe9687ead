//! The life of a row, from the record in its stream to the evidence in it and back.

use crate::common::{Enclave, INSTANCE, World, digest, healthy, report, web_row};
use contract::Status;
use contract::report::Phase;
use contract::row::AttestationState;
use contract::statement::{Health, HealthState};
use provisioner::pipeline::Error;
use provisioner::verify::Verdict;

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
