//! The running local pipeline: streams, executions, a file that outlives it. Its host is simulated, its documents real.

use crate::common::{Enclave, World, healthy, report, web_row};
use contract::report::Phase;
use contract::row::Row;
use contract::{RecordId, Status};
use provisioner::local::database::{Served, trim_streams};
use provisioner::local::runner::Runner;
use provisioner::local::streams::Stream;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

async fn run(world: &World) -> Runner {
    let stream = |table: &str| {
        Stream::open(
            world.served.database.clone(),
            table,
            world.folder.path().join(table),
        )
        .unwrap()
    };
    let (rows, reports) = (stream("enclaves"), stream("reports"));
    Runner::start(
        world.pipeline.clone(),
        world.served.database.clone(),
        rows,
        reports,
    )
    .await
    .unwrap()
}

/// A host that does what rows ask for, until it is dropped.
fn host(world: &Arc<World>) -> tokio::task::JoinHandle<()> {
    let world = world.clone();
    tokio::spawn(async move {
        let mut enclaves: HashMap<String, Enclave> = HashMap::new();
        loop {
            for id in world
                .pipeline
                .rows
                .ids_by_host(crate::common::INSTANCE)
                .await
                .unwrap()
            {
                let id = RecordId::parse(&id).unwrap();
                let Some(item) = world.pipeline.rows.get(&id).await.unwrap() else {
                    continue;
                };
                let row = Row::read(item).unwrap();
                let name = format!("{id}-{}", row.generation);
                if row.status.wants_enclave() && row.current_expectation().is_some() {
                    if let Entry::Vacant(place) = enclaves.entry(name) {
                        let enclave = place.insert(Enclave::launch(&row));
                        world
                            .pipeline
                            .reports
                            .put(&enclave.report(healthy()))
                            .await
                            .unwrap();
                    }
                } else {
                    enclaves.retain(|name, _| !name.starts_with(&format!("{id}-")));
                    let stopped = report(id.as_str(), row.generation, Phase::Stopped);
                    world.pipeline.reports.put(&stopped).await.unwrap();
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
}

async fn until(world: &World, id: &str, status: Status) {
    for _ in 0..600 {
        let row = world.row(id).await;
        if row.status == status {
            return;
        }
        assert!(
            row.status.is_transient() || row.status == Status::Deployed,
            "{}: {:?}",
            row.status,
            row.status_reason
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{id} is still {}", world.status(id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_rows_at_once_go_there_and_back() {
    let world = Arc::new(World::new().await);
    let _runner = run(&world).await;
    let host = host(&world);
    let ids: Vec<_> = (0..100).map(|n| format!("row-{n}")).collect();
    for id in &ids {
        world.put(web_row(id)).await;
    }
    for id in &ids {
        until(&world, id, Status::Deployed).await;
        assert_eq!(world.row(id).await.generation, 1);
    }
    for status in ["PAUSING", "RESUMING", "PENDING_DESTROY"] {
        for id in &ids {
            world.set_status(id, status).await;
        }
        let settled = match status {
            "PAUSING" => Status::Paused,
            "RESUMING" => Status::Deployed,
            _ => Status::Destroyed,
        };
        for id in &ids {
            until(&world, id, settled).await;
        }
    }
    for id in &ids {
        assert_eq!(world.row(id).await.generation, 4);
    }
    host.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_is_killed_goes_on_where_it_was() {
    let world = Arc::new(World::new().await);
    for id in ["new", "taken-up", "validated", "over"] {
        world.put(web_row(id)).await;
    }
    // Four rows at four places: in the stream only, taken up, validated, and validated with a request after it.
    for record in world.records() {
        if crate::common::text(record.new.as_ref().unwrap(), "id") != "new" {
            let execution = provisioner::trigger::handle(&world.pipeline, &record)
                .await
                .unwrap()
                .unwrap();
            if execution.id.as_str() != "taken-up" {
                world.validated(&execution).await;
            }
        }
    }
    world.set_status("over", "PENDING_DESTROY").await;
    let host = host(&world);
    let _runner = run(&world).await;
    for id in ["new", "taken-up", "validated"] {
        until(&world, id, Status::Deployed).await;
    }
    until(&world, "over", Status::Destroyed).await;
    host.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_after_the_last_record_that_was_done_with() {
    let world = World::new().await;
    let position = world.folder.path().join("position");
    let open = || Stream::open(world.served.database.clone(), "enclaves", position.clone()).unwrap();
    world.put(web_row("a")).await;
    let mut stream = open();
    let first = stream.read().unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(open().read().unwrap().len(), 1, "not done with: it comes again");
    stream.done(&first[0].sequence).unwrap();
    assert!(stream.read().unwrap().is_empty());
    world.put(web_row("b")).await;
    let next = open().read().unwrap();
    assert_eq!(crate::common::text(next[0].new.as_ref().unwrap(), "id"), "b");
    std::fs::write(&position, "../../etc").unwrap();
    assert_eq!(
        open().read().unwrap().len(),
        2,
        "a position that is none: from the beginning"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_says_by_whom() {
    let first = Served::start(None, 0).await.unwrap();
    let port = first.endpoint.rsplit(':').next().unwrap().parse().unwrap();
    let error = Served::start(None, port).await.err().unwrap().to_string();
    assert!(
        error.contains(&format!("(pid {})", std::process::id())) && error.contains("--dynamodb-port"),
        "{error}"
    );
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_trimmed_and_their_positions_hold() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(Some(&folder.path().join("db")), 0).await.unwrap();
    let connection = store::Connection {
        endpoint: Some(served.endpoint.clone()),
        s3_endpoint: None,
        profile: None,
        region: "us-west-2".into(),
    };
    let client = connection.dynamodb().await;
    store::schema::create(&client, &store::Tables::default())
        .await
        .unwrap();
    let put = async |id: &str| {
        let item = web_row(id).into();
        client
            .put_item()
            .table_name("enclaves")
            .set_item(Some(item))
            .send()
            .await
            .unwrap();
    };
    put("a").await;
    let mut stream = Stream::open(
        served.database.clone(),
        "enclaves",
        folder.path().join("position"),
    )
    .unwrap();
    let first = stream.read().unwrap();
    stream.done(&first[0].sequence).unwrap();
    assert_eq!(
        trim_streams(&served.database, Duration::from_secs(3600)).unwrap(),
        0
    );
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(trim_streams(&served.database, Duration::ZERO).unwrap(), 1);
    put("b").await;
    let next = stream.read().unwrap();
    assert_eq!(next.len(), 1);
    assert_eq!(crate::common::text(next[0].new.as_ref().unwrap(), "id"), "b");
    served.stop().await;
}
