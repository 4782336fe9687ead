//! The trigger as Lambda runs it, whole process on one core: `trigger [RATE] [SECONDS]`. It prints
//! - `cold-start MS`: the median of the processes' starts, exec to the first event asked for
//! - `throughput N`: records a second, batches of 100 one after another
//! - `p50 MS`, `p99 MS`: from a record's time to its StartExecution call at RATE records a second (1,000), filling included
//!
//! What is a stand-in: DynamoDB and Step Functions, which answer at once, so that the numbers are the trigger's own.
//! The program is TREZA_LAMBDA, else `treza-lambda` in target/release.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::routing::post;
use end_to_end::estate::{Function, Functions, LambdaService, ServiceOptions};
use end_to_end::programs::programs;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Records of a batch.
const BATCH: usize = 100;
/// Batches of the throughput's measurement.
const BATCHES: usize = 100;
/// Processes that are started for the cold start's median.
const STARTS: usize = 21;

/// When each execution was started, by its name.
type Started = Arc<Mutex<HashMap<String, Instant>>>;

fn main() {
    let words: Vec<f64> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let rate = words.first().copied().unwrap_or(1_000.0);
    let seconds = words.get(1).copied().unwrap_or(20.0);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let bench = Bench::start().await;
        bench.cold_start().await;
        bench.throughput().await;
        bench.latency(rate, (rate * seconds) as usize).await;
    });
}

struct Bench {
    endpoint: String,
    bootstrap: PathBuf,
    started: Started,
    folder: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let made = std::env::var_os("TREZA_LAMBDA").map(PathBuf::from);
        let bootstrap = made.unwrap_or_else(|| programs().join("treza-lambda"));
        let size = std::fs::metadata(&bootstrap).expect("`make programs`").len();
        println!("size-bytes {size}");
        let started = Started::default();
        let router = Router::new()
            .route("/", post(answer))
            .layer(DefaultBodyLimit::max(1 << 20))
            .with_state(started.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            endpoint,
            bootstrap,
            started,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A service whose one function is the trigger, on the first core.
    async fn service(&self) -> LambdaService {
        let variables = [
            ("TREZA_ENVIRONMENT", "bench"),
            ("TREZA_ROWS_TABLE", "rows"),
            ("TREZA_REPORTS_TABLE", "reports"),
            ("TREZA_TURNS_TABLE", "turns"),
            (
                "TREZA_MACHINE_PREFIX",
                "arn:aws:states:us-west-2:123456789012:stateMachine:treza-bench-",
            ),
            (
                "TREZA_TOPIC_ARN",
                "arn:aws:sns:us-west-2:123456789012:treza-bench",
            ),
            ("TREZA_BUNDLES_URI", "s3://bucket/bundles/"),
            (
                "TREZA_BUNDLES",
                "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ),
            ("RUST_LOG", "info"),
        ];
        let function = Function {
            name: "trigger".into(),
            arn: "arn:aws:lambda:us-west-2:123456789012:function:trigger".into(),
            handler: "trigger".into(),
            timeout: Duration::from_secs(60),
            memory_mib: 256,
            environment: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
        };
        let options = ServiceOptions {
            bootstrap: vec![
                "/usr/bin/taskset".into(),
                "-c".into(),
                "0".into(),
                self.bootstrap.clone(),
            ],
            logs: self.folder.path().join("logs"),
            aws_endpoint: Some(self.endpoint.clone()),
            concurrency: 1,
        };
        LambdaService::start(
            Functions::Given([("trigger".to_owned(), function)].into()),
            options,
        )
        .await
    }

    async fn cold_start(&self) {
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            let invoked = self.service().await.invoke("trigger", event(&[])).await.unwrap();
            assert_eq!(
                invoked.function_error,
                None,
                "{:?}",
                String::from_utf8_lossy(&invoked.payload)
            );
            starts.push(invoked.init.unwrap());
        }
        println!("cold-start {:.1}", ms(quantile(&mut starts, 0.5)));
    }

    async fn throughput(&self) {
        let service = self.service().await;
        let mut number = 0..;
        let mut batch = || -> Vec<usize> { number.by_ref().take(BATCH).collect() };
        invoke(&service, "warm", &batch()).await;
        let begun = Instant::now();
        for _ in 0..BATCHES {
            invoke(&service, "row", &batch()).await;
        }
        println!(
            "throughput {:.0}",
            (BATCHES * BATCH) as f64 / begun.elapsed().as_secs_f64()
        );
    }

    async fn latency(&self, rate: f64, records: usize) {
        let service = self.service().await;
        invoke(&service, "warm", &[0]).await;
        self.started.lock().unwrap().clear();
        let begun = Instant::now();
        let written = |number: usize| begun + Duration::from_secs_f64(number as f64 / rate);
        let all: Vec<usize> = (0..records).collect();
        for batch in all.chunks(BATCH) {
            // A poller has the batch when its last record is written, and the one before it is done.
            let last = batch[batch.len() - 1];
            tokio::time::sleep_until(written(last).into()).await;
            invoke(&service, "paced", batch).await;
        }
        let started = self.started.lock().unwrap();
        assert_eq!(started.len(), records, "each once");
        let time = |number: usize| started[&format!("paced-{number}-1")].duration_since(written(number));
        let mut times: Vec<Duration> = (0..records).map(time).collect();
        println!("p50 {:.0}", ms(quantile(&mut times, 0.50)));
        println!("p99 {:.0}", ms(quantile(&mut times, 0.99)));
    }
}

async fn invoke(service: &LambdaService, kind: &str, numbers: &[usize]) {
    let ids: Vec<_> = numbers.iter().map(|number| format!("{kind}-{number}")).collect();
    let invoked = service.invoke("trigger", event(&ids)).await.unwrap();
    let answer: Value = serde_json::from_slice(&invoked.payload).unwrap();
    assert_eq!(
        answer,
        json!({"batchItemFailures": []}),
        "{}",
        service.log("trigger")
    );
}

/// A batch in which each of these rows is new.
fn event(ids: &[String]) -> Bytes {
    let record = |(at, id): (usize, &String)| {
        json!({
            "eventID": "0", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
            "awsRegion": "us-west-2", "eventSourceARN": "arn:aws:dynamodb:us-west-2:123456789012:table/rows/stream/x",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_767_225_600, "Keys": {"id": {"S": id}}, "NewImage": row(id),
                "SequenceNumber": format!("{}", 100_000_000_000_000_000_000_u128 + at as u128), "SizeBytes": 900,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        })
    };
    let records: Vec<_> = ids.iter().enumerate().map(record).collect();
    json!({ "Records": records }).to_string().into()
}

/// A row as the web application writes it.
fn row(id: &str) -> Value {
    let s = |text: &str| json!({ "S": text });
    json!({
        "id": s(id), "name": s("A name"), "description": s("A description"), "status": s("PENDING_DEPLOY"),
        "region": s("us-west-2"), "walletAddress": s("0x00000000000000000000000000000000000000ff"),
        "createdAt": s("2025-01-01T12:00:00.000Z"), "updatedAt": s("2025-01-01T12:00:00.000Z"),
        "providerId": s("aws-nitro"),
        "providerConfig": {"M": {
            "dockerImage": s("nginx:alpine"), "cpuCount": s("2"), "memoryMiB": s("1024"), "instanceType": s("m6i.xlarge"),
            "enableDebug": {"BOOL": false}, "environmentVariables": s("{\"KEY\":\"value\"}"),
            "workloadType": s("service"), "healthCheckPath": s("/health"), "healthCheckInterval": {"N": "30"},
            "awsServices": {"L": [s("kms")]}, "exposePorts": {"L": [s("8080")]},
        }},
        "githubConnection": {"M": {"isConnected": {"BOOL": false}, "username": s("someone")}},
    })
}

/// DynamoDB and Step Functions, as far as the trigger asks.
async fn answer(State(started): State<Started>, headers: HeaderMap, body: Bytes) -> String {
    let operation = headers["x-amz-target"]
        .to_str()
        .unwrap()
        .split('.')
        .nth(1)
        .unwrap_or_default();
    match operation {
        "GetItem" => {
            let asked: Value = serde_json::from_slice(&body).unwrap();
            json!({"Item": row(asked["Key"]["id"]["S"].as_str().unwrap())}).to_string()
        }
        "StartExecution" => {
            let asked: Value = serde_json::from_slice(&body).unwrap();
            let name = asked["name"].as_str().unwrap().to_owned();
            started.lock().unwrap().insert(name, Instant::now());
            json!({"executionArn": "arn", "startDate": 1}).to_string()
        }
        _ => "{}".into(),
    }
}

fn quantile(times: &mut [Duration], part: f64) -> Duration {
    times.sort();
    times[((times.len() - 1) as f64 * part).round() as usize]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
