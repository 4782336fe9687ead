//! The Runtime API, version 2018-06-01, for one process: next, response, error, init/error.

use super::MOST_BYTES;
use crate::estate::tasks::Task;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};

/// An event for the process.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request_id: String,
    pub(super) deadline_ms: u128,
    pub(super) trace_id: String,
    pub(super) event: Bytes,
    pub(super) outcome: oneshot::Sender<Outcome>,
}

/// What the process answered to an event.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The answer.
    Response(Bytes),
    /// The error that it reported, as JSON.
    Error(Bytes),
}

/// How far the process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Readiness {
    Starting,
    /// It asked for an event.
    Ready,
    /// It reported that it cannot start.
    Failed(Bytes),
}

/// The Runtime API of one process. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    pub(super) address: SocketAddr,
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) readiness: watch::Receiver<Readiness>,
    _server: Task,
}

#[derive(Debug)]
struct Runtime {
    function_arn: String,
    jobs: tokio::sync::Mutex<mpsc::Receiver<Job>>,
    /// What the process works on.
    current: Mutex<Option<(String, oneshot::Sender<Outcome>)>>,
    readiness: watch::Sender<Readiness>,
}

impl RuntimeApi {
    pub(super) async fn serve(function_arn: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, jobs) = mpsc::channel(1);
        let (readiness, readable) = watch::channel(Readiness::Starting);
        let runtime = Arc::new(Runtime {
            function_arn,
            jobs: jobs.into(),
            current: Mutex::new(None),
            readiness,
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .layer(DefaultBodyLimit::max(MOST_BYTES))
            .with_state(runtime);
        let server = Task::start(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            jobs: sender,
            readiness: readable,
            _server: server,
        }
    }
}

async fn next(State(runtime): State<Arc<Runtime>>) -> Response {
    runtime.readiness.send_replace(Readiness::Ready);
    // Whoever waits for an event that the process left unanswered learns that nothing will come.
    runtime.current.lock().unwrap().take();
    let Some(job) = runtime.jobs.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", job.request_id.clone()),
        ("lambda-runtime-deadline-ms", job.deadline_ms.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            runtime.function_arn.clone(),
        ),
        ("lambda-runtime-trace-id", job.trace_id),
        ("content-type", "application/json".into()),
    ];
    *runtime.current.lock().unwrap() = Some((job.request_id, job.outcome));
    (headers, job.event).into_response()
}

async fn response(State(runtime): State<Arc<Runtime>>, Path(id): Path<String>, body: Bytes) -> Response {
    runtime.settle(&id, Outcome::Response(body))
}

async fn error(
    State(runtime): State<Arc<Runtime>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = error_body(&headers, body);
    runtime.settle(&id, Outcome::Error(body))
}

async fn init_error(State(runtime): State<Arc<Runtime>>, headers: HeaderMap, body: Bytes) -> Response {
    let body = error_body(&headers, body);
    runtime.readiness.send_replace(Readiness::Failed(body));
    accepted()
}

/// The error as it was reported; one that is no JSON is made of the header that names its type.
fn error_body(headers: &HeaderMap, body: Bytes) -> Bytes {
    if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok() {
        return body;
    }
    let kind = headers.get("lambda-runtime-function-error-type");
    let kind = kind
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("Runtime.Unknown");
    json!({"errorType": kind, "errorMessage": ""}).to_string().into()
}

impl Runtime {
    /// Gives the outcome to whoever waits for it, if the process works on this very event.
    fn settle(&self, id: &str, outcome: Outcome) -> Response {
        let taken = self.current.lock().unwrap().take_if(|(current, _)| current == id);
        match taken {
            Some((_, waiting)) => {
                // Nobody waits where the time was up.
                let _ = waiting.send(outcome);
                accepted()
            }
            None => {
                let body = json!({"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"});
                (StatusCode::BAD_REQUEST, body.to_string()).into_response()
            }
        }
    }
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, r#"{"status":"OK"}"#).into_response()
}
