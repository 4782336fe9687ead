//! A database that throttles, fails, and fails after it has written: through a proxy between the pipeline and it.

use crate::common::{Enclave, World, healthy, web_row};
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use contract::Status;
use contract::stream::Record;
use provisioner::pipeline::Pipeline;
use provisioner::trigger;
use provisioner::verify;
use provisioner::workflow::{self, Execution};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::{Connection, Reports, Rows};

/// One request in so many fails, of each kind.
const THROTTLED: u64 = 5;
const BROKEN: u64 = 7;
/// Done, and the answer lost.
const UNANSWERED: u64 = 6;

struct Proxy {
    target: String,
    client: reqwest::Client,
    requests: AtomicU64,
    failed: AtomicU64,
}

impl Proxy {
    /// Starts one before `target`; its URL.
    async fn start(target: String) -> (String, Arc<Self>) {
        let proxy = Arc::new(Self {
            target,
            client: reqwest::Client::new(),
            requests: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (url, proxy)
    }

    fn fail(&self, status: StatusCode, code: &str) -> Response<axum::body::Body> {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let body =
            format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"by the proxy"}}"#);
        Response::builder()
            .status(status)
            .header("content-type", "application/x-amz-json-1.0")
            .body(body.into())
            .unwrap()
    }
}

async fn pass(State(proxy): State<Arc<Proxy>>, request: Request) -> Response<axum::body::Body> {
    let number = proxy.requests.fetch_add(1, Ordering::Relaxed) + 1;
    if number.is_multiple_of(THROTTLED) {
        return proxy.fail(StatusCode::BAD_REQUEST, "ProvisionedThroughputExceededException");
    }
    if number.is_multiple_of(BROKEN) {
        return proxy.fail(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError");
    }
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, 1 << 20).await.unwrap();
    let mut forwarded = proxy.client.post(&proxy.target).body(body);
    for name in ["content-type", "x-amz-target", "authorization", "x-amz-date"] {
        if let Some(value) = parts.headers.get(name) {
            forwarded = forwarded.header(name, value);
        }
    }
    let answer = forwarded.send().await.unwrap();
    let (status, body) = (answer.status(), answer.bytes().await.unwrap());
    if number.is_multiple_of(UNANSWERED) {
        return proxy.fail(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError");
    }
    Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.0")
        .body(body.into())
        .unwrap()
}

/// The world's pipeline, over the proxy.
async fn through(world: &World) -> (Pipeline, Arc<Proxy>) {
    let (url, proxy) = Proxy::start(world.served.endpoint.clone()).await;
    let connection = Connection {
        endpoint: Some(url),
        s3_endpoint: None,
        profile: None,
        region: crate::common::REGION.into(),
    };
    let client = connection.dynamodb().await;
    let pipeline = Pipeline {
        rows: Rows::new(client.clone(), "enclaves"),
        reports: Reports::new(client, "reports"),
        ..world.pipeline.clone()
    };
    (pipeline, proxy)
}

/// Hands a record to the trigger until it is taken, as a stream does.
async fn taken(pipeline: &Pipeline, record: &Record) -> Option<Execution> {
    for _ in 0..50 {
        match trigger::handle(pipeline, record).await {
            Ok(execution) => return execution,
            Err(error) => assert!(error.passes(), "{error}"),
        }
    }
    panic!("the record was never taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_where_the_database_fails() {
    let world = World::new().await;
    let (pipeline, proxy) = through(&world).await;
    let ids: Vec<_> = (0..12).map(|number| format!("row-{number}")).collect();
    for id in &ids {
        world.put(web_row(id)).await;
    }
    for (status, generation) in [(Status::Deployed, 1), (Status::Destroyed, 2)] {
        for record in world.records() {
            let Some(execution) = taken(&pipeline, &record).await else {
                continue;
            };
            // Step Functions starts a turn again whose step failed too often; none of them is lost by that.
            workflow::run(&pipeline, &execution).await;
        }
        for id in &ids {
            let row = world.row(id).await;
            assert_eq!(
                row.generation, generation,
                "{id}: raised once, whatever was not answered"
            );
            if status == Status::Deployed {
                let report = Enclave::launch(&row).report(healthy());
                world.pipeline.reports.put(&report).await.unwrap();
                let item = report.to_item().unwrap();
                while let Err(error) = verify::verify(&pipeline, item.clone()).await {
                    assert!(error.passes(), "{error}");
                }
                assert_eq!(world.status(id).await, "DEPLOYED", "{}", world.reason(id).await);
                world.set_status(id, "PENDING_DESTROY").await;
            } else {
                let stopped = crate::common::report(id, 2, contract::report::Phase::Stopped);
                world.report(stopped).await;
                assert_eq!(world.status(id).await, "DESTROYED", "{}", world.reason(id).await);
            }
        }
    }
    assert!(proxy.failed.load(Ordering::Relaxed) > 50, "the proxy did fail");
    let told = world.told.0.lock().unwrap().clone();
    assert!(told.is_empty(), "{told:?}");
}
