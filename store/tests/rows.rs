//! The rows against the embedded DynamoDB.
#![allow(clippy::unwrap_used)]

use aws_sdk_dynamodb::Client;
use contract::item::{self, AttributeValue};
use contract::row::{Row, attribute};
use contract::{RecordId, Status};
use store::{Change, Connection, Guard, Outcome, Rows, Statuses, Tables};

async fn rows() -> (Rows, Client) {
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
    let client = connection.dynamodb().await;
    let tables = Tables::default();
    store::schema::create(&client, &tables).await.unwrap();
    store::schema::create(&client, &tables).await.unwrap();
    (Rows::new(client.clone(), tables.rows), client)
}

fn id() -> RecordId {
    RecordId::parse("a").unwrap()
}

#[tokio::test]
async fn a_write_counts_only_on_the_row_it_was_worked_out_from() {
    let (rows, _) = rows().await;
    let item = item::read(r#"{"id": "a", "status": "PENDING_DEPLOY", "name": "kept"}"#).unwrap();
    assert_eq!(
        rows.create(&item).await.unwrap(),
        Outcome::Applied { revision: 0 }
    );
    assert_eq!(
        rows.create(&item).await.unwrap(),
        Outcome::Lost,
        "a living row is not overwritten"
    );

    let row = Row::read(rows.get(&id()).await.unwrap().unwrap()).unwrap();
    let change = Change::new()
        .text(attribute::STATUS, "DEPLOYING")
        .number(attribute::GENERATION, 1);
    let guard = Guard::of(&row.item);
    assert_eq!(
        rows.update("a", &guard, &change).await.unwrap(),
        Outcome::Applied { revision: 1 }
    );
    assert_eq!(rows.update("a", &guard, &change).await.unwrap(), Outcome::Lost);

    let row = Row::read(rows.get(&id()).await.unwrap().unwrap()).unwrap();
    assert_eq!(
        (row.status, row.generation, row.revision),
        (Status::Deploying, 1, Some(1))
    );
    assert_eq!(row.item.get("name"), Some(&AttributeValue::S("kept".into())));

    // A client's destroy in between: same revision, another status.
    rows.request(
        &id(),
        Statuses::Only(&[Status::Deploying]),
        Status::PendingDestroy,
    )
    .await
    .unwrap();
    let late = Change::new().text(attribute::STATUS, "DEPLOYED");
    assert_eq!(
        rows.update("a", &Guard::of(&row.item), &late).await.unwrap(),
        Outcome::Lost
    );
    assert_eq!(
        rows.request(&id(), Statuses::Only(&[Status::Deployed]), Status::Pausing)
            .await
            .unwrap(),
        Outcome::Lost
    );
}

#[tokio::test]
async fn an_ended_row_is_taken_over_with_its_generation() {
    let (rows, _) = rows().await;
    let item = item::read(r#"{"id": "a", "status": "PENDING_DEPLOY", "generation": 9}"#).unwrap();
    rows.create(&item).await.unwrap();
    let change = Change::new()
        .text(attribute::STATUS, "FAILED")
        .number(attribute::GENERATION, 3);
    rows.update(
        "a",
        &Guard::of(&item::read(r#"{"status": "PENDING_DEPLOY"}"#).unwrap()),
        &change,
    )
    .await
    .unwrap();
    assert_eq!(
        rows.create(&item).await.unwrap(),
        Outcome::Applied { revision: 0 }
    );
    let row = Row::read(rows.get(&id()).await.unwrap().unwrap()).unwrap();
    assert_eq!(
        (row.status, row.generation, row.revision),
        (Status::PendingDeploy, 3, Some(1))
    );
}

#[tokio::test]
async fn a_write_counts_over_any_revision_and_makes_no_row_that_is_gone() {
    let (rows, client) = rows().await;
    for (id, revision) in [("a", r#""x""#), ("b", "1.5"), ("c", "{}"), ("d", "null")] {
        let row = format!(r#"{{"id": "{id}", "status": "PAUSED", "revision": {revision}}}"#);
        let seen = item::read(&row).unwrap();
        let put = client
            .put_item()
            .table_name("enclaves")
            .set_item(Some(seen.clone().into()));
        put.send().await.unwrap();
        let failed = Change::new().text(attribute::STATUS, "FAILED");
        let guard = Guard::of(&seen);
        let written = rows.update(id, &guard, &failed).await.unwrap();
        assert_eq!(written, Outcome::Applied { revision: 1 }, "{revision}");
        assert_eq!(rows.update(id, &guard, &failed).await.unwrap(), Outcome::Lost);
        let gone = rows.update("gone", &guard, &failed).await.unwrap();
        assert_eq!(gone, Outcome::Lost);
    }
    let nothing = Guard::of(&item::read("{}").unwrap());
    let lost = rows.update("gone", &nothing, &Change::new()).await.unwrap();
    assert_eq!(lost, Outcome::Lost);
    assert_eq!(rows.get("gone").await.unwrap(), None);
}

#[tokio::test]
async fn all_but_some_statuses_are_the_unknown_and_the_missing_too() {
    let (rows, client) = rows().await;
    let over = Statuses::AllBut(&[Status::PendingDestroy, Status::Destroyed]);
    for (row, outcome) in [
        (r#"{"id": "a"}"#, Outcome::Applied { revision: 0 }),
        (
            r#"{"id": "a", "status": "LAUNCH"}"#,
            Outcome::Applied { revision: 0 },
        ),
        (
            r#"{"id": "a", "status": "FAILED"}"#,
            Outcome::Applied { revision: 0 },
        ),
        (r#"{"id": "a", "status": "DESTROYED"}"#, Outcome::Lost),
        (r#"{"id": "b", "status": "FAILED"}"#, Outcome::Lost),
    ] {
        let put = client.put_item().table_name("enclaves");
        let put = put.set_item(Some(item::read(row).unwrap().into()));
        put.send().await.unwrap();
        let asked = rows.request(&id(), over, Status::PendingDestroy).await.unwrap();
        assert_eq!(asked, outcome, "{row}");
        let gone = client.delete_item().table_name("enclaves");
        let key = aws_sdk_dynamodb::types::AttributeValue::S("a".into());
        gone.key("id", key).send().await.unwrap();
    }
    assert_eq!(rows.get(&id()).await.unwrap(), None, "no row is made");
}

#[tokio::test]
async fn rows_are_found_by_status_and_by_host() {
    let (rows, _) = rows().await;
    rows.create(&item::read(r#"{"id": "a", "status": "PENDING_DEPLOY"}"#).unwrap())
        .await
        .unwrap();
    rows.create(&item::read(r#"{"id": "b", "status": "DEPLOYED", "hostId": "i-1"}"#).unwrap())
        .await
        .unwrap();
    assert_eq!(rows.ids_by_status(Status::PendingDeploy).await.unwrap(), ["a"]);
    assert_eq!(rows.ids_by_host("i-1").await.unwrap(), ["b"]);
    assert!(rows.ids_by_host("i-2").await.unwrap().is_empty());
    assert_eq!(rows.all().await.unwrap().len(), 2);
    assert!(rows.get(&id()).await.unwrap().is_some());
}

#[tokio::test]
async fn an_unreachable_table_says_where() {
    let connection = Connection {
        endpoint: Some("http://127.0.0.1:1".into()),
        s3_endpoint: None,
        profile: None,
        region: "us-west-2".into(),
    };
    let rows = Rows::new(connection.dynamodb().await, "enclaves");
    let error = rows.get(&id()).await.unwrap_err();
    assert!(
        error.is_passing() && error.to_string().contains("table enclaves"),
        "{error}"
    );
}
