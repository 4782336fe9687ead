//! The trigger as Lambda runs it, the whole process on one core: its cold start, and how long a stream record takes to
//! its StartExecution at a thousand records a second. Beside it stand Lambda's Runtime API, and a table and state
//! machines that answer at once: what is measured is the trigger, not they.
//!
//! `cargo bench -p provisioner --bench trigger [-- PROGRAM]`; the program is the one that cargo has built, or, such as
//! the static one of scripts/cloud.sh, PROGRAM.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark fails by it")]

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::{any, get, post};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

const RATE: usize = 1000;
const BATCH: usize = 100;
const SECONDS: usize = 10;
const STARTS: usize = 15;
/// The limits, milliseconds.
const LATENCY: f64 = 250.0;
const COLD: f64 = 50.0;

/// Lambda and AWS, as far as the trigger sees them.
#[derive(Default)]
struct World {
    batches: Mutex<VecDeque<Value>>,
    more: Notify,
    asked: Notify,
    due: Mutex<BTreeMap<String, Instant>>,
    started: Mutex<Vec<(String, Instant)>>,
    failures: Mutex<Vec<Value>>,
    answered: Mutex<usize>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let program = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"))
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_treza-lambda").to_owned());
    let world = Arc::new(World::default());
    let address = serve(world.clone()).await;

    let mut cold = Vec::new();
    for _ in 0..STARTS {
        let begun = Instant::now();
        let process = start(&program, &address);
        world.asked.notified().await;
        cold.push(milliseconds(begun.elapsed()));
        end(process);
    }
    let cold = at(&mut cold, 0.5);

    let process = start(&program, &address);
    world.asked.notified().await;
    warm_up(&world).await;
    let begun = Instant::now();
    for batch in 0..SECONDS * RATE / BATCH {
        let due = begun + Duration::from_micros((batch * BATCH * 1_000_000 / RATE) as u64);
        tokio::time::sleep_until(due.into()).await;
        put(&world, batch, due);
    }
    while *world.answered.lock().unwrap() < SECONDS * RATE / BATCH {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "the trigger does not keep up"
        );
    }
    let took = begun.elapsed().as_secs_f64();
    let cpu = cpu_seconds(&process);
    end(process);

    assert!(
        world.failures.lock().unwrap().is_empty(),
        "{:?}",
        world.failures.lock().unwrap().first()
    );
    let started = world.started.lock().unwrap();
    assert_eq!(started.len(), SECONDS * RATE, "each record, once");
    let due = world.due.lock().unwrap();
    let mut latencies: Vec<f64> = started
        .iter()
        .map(|(name, at)| milliseconds(at.duration_since(due[name])))
        .collect();
    let (median, high) = (at(&mut latencies, 0.5), at(&mut latencies, 0.99));
    println!("{:<58} {:>9} {:>9}", "what", "value", "limit");
    let met = [
        ("cold start to the first call of the Runtime API (ms)", cold, COLD),
        ("record to StartExecution, median (ms)", median, f64::INFINITY),
        ("record to StartExecution, 99th percentile (ms)", high, LATENCY),
    ]
    .map(|(what, value, limit)| {
        let shown = if limit.is_finite() {
            format!("{limit:.0}")
        } else {
            String::new()
        };
        println!("{what:<58} {value:>9.1} {shown:>9}");
        value < limit
    });
    let rate = started.len() as f64 / took;
    println!("{:<58} {rate:>9.0} {RATE:>9}", "records a second, one core");
    println!(
        "{:<58} {:>9.2}",
        "CPU seconds for a thousand records",
        cpu / (SECONDS * RATE) as f64 * 1000.0
    );
    assert!(met.iter().all(|met| *met), "a limit is not kept");
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn at(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part) as usize]
}

/// The trigger on the second processor; this program stays where it is put.
fn start(program: &str, address: &str) -> Child {
    Command::new("taskset")
        .args(["-c", "1", program])
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("AWS_LAMBDA_FUNCTION_NAME", "trigger")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("_HANDLER", "trigger")
        .env("RUST_LOG", "warn")
        .env("AWS_REGION", "us-west-2")
        .env("AWS_ACCESS_KEY_ID", "bench")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .env("AWS_ENDPOINT_URL", format!("http://{address}/aws"))
        .env("TREZA_ENVIRONMENT", "bench")
        .env("TREZA_ROWS_TABLE", "rows")
        .env("TREZA_REPORTS_TABLE", "reports")
        .env("TREZA_TURNS_TABLE", "turns")
        .env(
            "TREZA_MACHINE_PREFIX",
            "arn:aws:states:us-west-2:123456789012:stateMachine:treza-bench-",
        )
        .env("TREZA_BUNDLES_URI", "s3://bucket/bundles/")
        .env("TREZA_BUNDLES", format!("sha256:{}", "b".repeat(64)))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn end(mut process: Child) {
    process.kill().unwrap();
    process.wait().unwrap();
}

/// User and system time of a process: fields 14 and 15 of its stat, in hundredths of a second.
fn cpu_seconds(process: &Child) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

async fn warm_up(world: &World) {
    put(world, usize::MAX / 1000, Instant::now());
    while *world.answered.lock().unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    *world.answered.lock().unwrap() = 0;
    world.started.lock().unwrap().clear();
}

fn put(world: &World, batch: usize, due: Instant) {
    let records: Vec<_> = (0..BATCH)
        .map(|number| {
            let id = format!("enc_{batch}_{number}");
            world.due.lock().unwrap().insert(format!("{id}-1"), due);
            record(&id, batch * BATCH + number + 1)
        })
        .collect();
    world
        .batches
        .lock()
        .unwrap()
        .push_back(json!({ "Records": records }));
    world.more.notify_one();
}

/// A new row as the web application writes it.
fn record(id: &str, sequence: usize) -> Value {
    json!({
        "eventID": sequence.to_string(), "eventName": "INSERT", "eventSource": "aws:dynamodb", "awsRegion": "us-west-2",
        "dynamodb": {
            "SequenceNumber": format!("{sequence:021}"), "Keys": {"id": {"S": id}}, "StreamViewType": "NEW_AND_OLD_IMAGES",
            "NewImage": {
                "id": {"S": id}, "name": {"S": "n"}, "status": {"S": "PENDING_DEPLOY"}, "region": {"S": "us-west-2"},
                "walletAddress": {"S": "0x00"}, "createdAt": {"S": "2026-01-01T00:00:00Z"},
                "updatedAt": {"S": "2026-01-01T00:00:00Z"}, "providerId": {"S": "aws-nitro"},
                "providerConfig": {"M": {
                    "dockerImage": {"S": "nginx:alpine"}, "cpuCount": {"S": "2"}, "memoryMiB": {"S": "1024"},
                    "instanceType": {"S": "m6i.xlarge"}, "enableDebug": {"BOOL": false}, "exposePorts": {"L": [{"S": "80"}]},
                    "environmentVariables": {"S": "{\"KEY\":\"value\"}"}, "workloadType": {"S": "service"},
                }},
            },
        },
    })
}

async fn serve(world: Arc<World>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/aws", any(aws))
        .route("/aws/", any(aws))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .with_state(world);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn next(State(world): State<Arc<World>>) -> Response<Body> {
    world.asked.notify_one();
    loop {
        let batch = world.batches.lock().unwrap().pop_front();
        if let Some(batch) = batch {
            return Response::builder()
                .header(
                    "lambda-runtime-aws-request-id",
                    "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
                )
                .header("lambda-runtime-deadline-ms", "4102444800000")
                .header(
                    "lambda-runtime-invoked-function-arn",
                    "arn:aws:lambda:us-west-2:123456789012:function:trigger",
                )
                .body(batch.to_string().into())
                .unwrap();
        }
        world.more.notified().await;
    }
}

async fn response(State(world): State<Arc<World>>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let failed = answer["batchItemFailures"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    world.failures.lock().unwrap().extend(failed);
    *world.answered.lock().unwrap() += 1;
    StatusCode::ACCEPTED
}

/// A table whose every write holds, and machines that start.
async fn aws(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let target = headers["x-amz-target"].to_str().unwrap();
    let answer = match target {
        "DynamoDB_20120810.UpdateItem" => json!({}),
        "AWSStepFunctions.StartExecution" => {
            let input: Value = serde_json::from_slice(&body).unwrap();
            let name = input["name"].as_str().unwrap().to_owned();
            world.started.lock().unwrap().push((name, Instant::now()));
            json!({"executionArn": "arn:aws:states:us-west-2:123456789012:execution:deploy:x", "startDate": 1.0})
        }
        other => panic!("{other} was not expected"),
    };
    Response::builder()
        .header("content-type", "application/x-amz-json-1.0")
        .body(answer.to_string().into())
        .unwrap()
}
