//! The turns against the embedded DynamoDB.
#![allow(clippy::unwrap_used)]

use contract::RecordId;
use contract::row::Host;
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Connection, Leased, MeasuredImage, Noted, Tables, Turns};

const LONG: Duration = Duration::from_secs(60);

async fn turns() -> Turns {
    let database = dynoxide::Database::memory().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_with_shutdown(
        listener,
        database,
        std::future::pending(),
    ));
    let connection = Connection {
        endpoint: Some(endpoint),
        s3_endpoint: None,
        profile: None,
        region: "us-west-2".into(),
    };
    let (client, tables) = (connection.dynamodb().await, Tables::default());
    store::schema::create_turns(&client, &tables).await.unwrap();
    Turns::of(client, &tables)
}

fn id() -> RecordId {
    RecordId::parse("a").unwrap()
}

fn measured() -> MeasuredImage {
    MeasuredImage {
        image_digest: "sha256:1".into(),
        bundle: "sha256:2".into(),
        pcrs: BTreeMap::from([("0".into(), "00".into())]),
        eif_bytes: 7,
    }
}

fn host() -> Host {
    Host {
        instance_id: "i-0123456789abcdef0".into(),
        address: "10.0.0.1".into(),
        daemon_version: None,
    }
}

#[tokio::test]
async fn a_later_turn_keeps_the_host_and_nothing_else() {
    let turns = turns().await;
    assert_eq!(turns.begin(&id(), 1).await.unwrap(), Noted::Yes);
    assert_eq!(turns.measured(&id(), 1, &measured()).await.unwrap(), Noted::Yes);
    assert_eq!(turns.failed(&id(), 1, "no").await.unwrap(), Noted::Yes);
    assert_eq!(turns.get(&id()).await.unwrap().failure.as_deref(), Some("no"));
    assert_eq!(turns.provisioning(&id(), 1).await.unwrap(), Noted::Yes);
    assert_eq!(turns.host(&id(), 1, &host()).await.unwrap(), Noted::Yes);
    assert_eq!(turns.begin(&id(), 1).await.unwrap(), Noted::Yes);
    let turn = turns.get(&id()).await.unwrap();
    assert_eq!((turn.measured, turn.failure), (Some(measured()), None));

    assert_eq!(turns.begin(&id(), 2).await.unwrap(), Noted::Yes);
    let turn = turns.get(&id()).await.unwrap();
    assert_eq!(
        (turn.generation, turn.measured, turn.provisioned, turn.host),
        (2, None, true, Some(host()))
    );
    assert_eq!(turns.given_back(&id(), 2).await.unwrap(), Noted::Yes);
    let turn = turns.get(&id()).await.unwrap();
    assert_eq!((turn.provisioned, turn.host), (false, None));
}

#[tokio::test]
async fn nothing_is_noted_of_a_turn_that_is_over() {
    let turns = turns().await;
    assert_eq!(turns.begin(&id(), 10).await.unwrap(), Noted::Yes);
    assert_eq!(turns.begin(&id(), 9).await.unwrap(), Noted::Superseded);
    assert_eq!(
        turns.measured(&id(), 9, &measured()).await.unwrap(),
        Noted::Superseded
    );
    assert_eq!(turns.host(&id(), 9, &host()).await.unwrap(), Noted::Superseded);
    assert_eq!(turns.failed(&id(), 9, "no").await.unwrap(), Noted::Superseded);
    let turn = turns.get(&id()).await.unwrap();
    assert_eq!((turn.generation, turn.measured, turn.host), (10, None, None));
}

#[tokio::test]
async fn one_at_a_time_has_the_lease_and_none_for_a_turn_that_is_over() {
    let turns = turns().await;
    assert_eq!(turns.lease(&id(), 2, "one", LONG).await.unwrap(), Leased::Yes);
    assert_eq!(turns.lease(&id(), 2, "two", LONG).await.unwrap(), Leased::Busy);
    assert_eq!(
        turns.lease(&id(), 1, "two", LONG).await.unwrap(),
        Leased::Superseded
    );
    assert_eq!(turns.lease(&id(), 2, "one", LONG).await.unwrap(), Leased::Yes);
    assert!(turns.renew(&id(), "one", LONG).await.unwrap());
    assert!(!turns.renew(&id(), "two", LONG).await.unwrap());
    turns.release(&id(), "two").await.unwrap();
    assert_eq!(turns.lease(&id(), 2, "two", LONG).await.unwrap(), Leased::Busy);
    turns.release(&id(), "one").await.unwrap();
    assert_eq!(
        turns.lease(&id(), 2, "two", Duration::ZERO).await.unwrap(),
        Leased::Yes
    );
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(
        turns.lease(&id(), 2, "one", LONG).await.unwrap(),
        Leased::Yes,
        "it was not renewed in time"
    );
    assert_eq!(turns.begin(&id(), 3).await.unwrap(), Noted::Yes);
    assert!(
        turns.renew(&id(), "one", LONG).await.unwrap(),
        "who has it brings its work to an end"
    );
    assert_eq!(turns.lease(&id(), 3, "two", LONG).await.unwrap(), Leased::Busy);
}
