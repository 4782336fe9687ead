//! A process that runs a function: started, given events one at a time, ended.

use super::function::Function;
use super::runtime_api::{Job, Outcome, Readiness, RuntimeApi};
use super::{Invoked, ServiceOptions, log_file};
use aws_lc_rs::rand;
use axum::body::Bytes;
use serde_json::json;
use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

/// How long a process may take until it asks for its first event: Lambda's limit.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// A function's process, and its Runtime API. It is killed when it is dropped.
#[derive(Debug)]
pub(super) struct Sandbox {
    function: Arc<Function>,
    process: Child,
    api: RuntimeApi,
    started: Instant,
    /// It has asked for its first event.
    initialised: bool,
    /// It has failed as a process, and serves no further event.
    broken: bool,
}

/// What went wrong with a process: Lambda's name for it, and the words after the request's id.
struct Failure(&'static str, String);

impl Sandbox {
    pub(super) async fn start(function: Arc<Function>, options: &ServiceOptions) -> Self {
        let api = RuntimeApi::serve(function.arn.clone()).await;
        let started = Instant::now();
        let process = command(&function, &api, options)
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", options.bootstrap));
        Self {
            function,
            process,
            api,
            started,
            initialised: false,
            broken: false,
        }
    }

    pub(super) fn function(&self) -> &Function {
        &self.function
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id().unwrap_or_default()
    }

    /// Whether it can take another event.
    pub(super) fn is_fit(&mut self) -> bool {
        !self.broken && matches!(self.process.try_wait(), Ok(None))
    }

    pub(super) async fn invoke(&mut self, event: Bytes, trace: Option<&str>) -> Invoked {
        let request_id = uuid();
        let mut init = None;
        let mut outcome = Ok(());
        if !self.initialised {
            outcome = self.initialise().await;
            init = Some(self.started.elapsed());
        }
        let outcome = match outcome {
            Ok(()) => self.serve(&request_id, event, trace).await,
            Err(failed) => failed,
        };
        let (payload, function_error) = match outcome {
            Ok(Outcome::Response(payload)) => (payload, None),
            Ok(Outcome::Error(error)) => (error, Some("Unhandled")),
            Err(Failure(kind, message)) => {
                self.broken = true;
                let message = format!("RequestId: {request_id} Error: {message}");
                let error = json!({"errorType": kind, "errorMessage": message});
                (error.to_string().into(), Some("Unhandled"))
            }
        };
        Invoked {
            payload,
            function_error,
            init,
        }
    }

    /// Waits until the process asks for its first event.
    async fn initialise(&mut self) -> Result<(), Result<Outcome, Failure>> {
        let mut readiness = self.api.readiness.clone();
        let settled = readiness.wait_for(|readiness| *readiness != Readiness::Starting);
        tokio::select! {
            biased;
            settled = settled => match settled.as_deref() {
                Ok(Readiness::Failed(error)) => {
                    self.broken = true;
                    return Err(Ok(Outcome::Error(error.clone())));
                }
                _ => self.initialised = true,
            },
            exit = self.process.wait() => return Err(Err(exited(exit))),
            () = tokio::time::sleep(INIT_LIMIT) => return Err(Err(timed_out(INIT_LIMIT))),
        }
        Ok(())
    }

    async fn serve(
        &mut self,
        request_id: &str,
        event: Bytes,
        trace: Option<&str>,
    ) -> Result<Outcome, Failure> {
        let limit = self.function.timeout;
        let (sender, outcome) = oneshot::channel();
        let job = Job {
            request_id: request_id.to_owned(),
            deadline_ms: (since_epoch() + limit).as_millis(),
            trace_id: trace.map_or_else(trace_id, str::to_owned),
            event,
            outcome: sender,
        };
        // One event at a time: there is room for it.
        let _ = self.api.jobs.try_send(job);
        tokio::select! {
            biased;
            outcome = outcome => outcome.map_err(|_| {
                Failure("Runtime.InvalidNext", "the process asked for another event before it answered this one".into())
            }),
            exit = self.process.wait() => Err(exited(exit)),
            () = tokio::time::sleep(limit) => Err(timed_out(limit)),
        }
    }
}

fn command(function: &Function, api: &RuntimeApi, options: &ServiceOptions) -> Command {
    let (program, words) = options.bootstrap.split_first().expect("a bootstrap");
    std::fs::create_dir_all(&options.logs).unwrap();
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log_file(&options.logs, &function.name))
        .unwrap();
    let region = function.arn.split(':').nth(3).unwrap_or_default();
    let mut command = Command::new(program);
    command
        .args(words)
        .env_clear()
        .envs(&function.environment)
        .env("AWS_LAMBDA_RUNTIME_API", api.address.to_string())
        .env("_HANDLER", &function.handler)
        .env("AWS_LAMBDA_FUNCTION_NAME", &function.name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mib.to_string())
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env(
            "AWS_LAMBDA_LOG_GROUP_NAME",
            format!("/aws/lambda/{}", function.name),
        )
        .env(
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "2026/01/01/[$LATEST]00000000000000000000000000000000",
        )
        .env("AWS_REGION", region)
        .env("AWS_DEFAULT_REGION", region)
        .env("AWS_ACCESS_KEY_ID", "ASIAFUNCTION")
        .env("AWS_SECRET_ACCESS_KEY", "function")
        .env("AWS_SESSION_TOKEN", "function")
        .env("LANG", "en_US.UTF-8")
        .env("TZ", ":UTC")
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin")
        .envs(
            options
                .aws_endpoint
                .iter()
                .map(|endpoint| ("AWS_ENDPOINT_URL", endpoint)),
        )
        .current_dir(PathBuf::from("/"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true);
    command
}

fn exited(status: std::io::Result<ExitStatus>) -> Failure {
    let how = match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
            (_, Some(9)) => "Runtime exited with error: signal: killed".into(),
            (_, signal) => format!(
                "Runtime exited with error: signal: {}",
                signal.unwrap_or_default()
            ),
        },
        Err(error) => error.to_string(),
    };
    Failure("Runtime.ExitError", how)
}

fn timed_out(limit: Duration) -> Failure {
    Failure(
        "Sandbox.Timedout",
        format!("Task timed out after {:.2} seconds", limit.as_secs_f64()),
    )
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

/// X-Ray's form: version, time and 96 random bits; the segment; sampled.
fn trace_id() -> String {
    let random = random();
    let (root, parent) = (&random[..24], &random[16..]);
    format!(
        "Root=1-{:08x}-{root};Parent={parent};Sampled=1",
        since_epoch().as_secs()
    )
}

/// A random UUID, version 4.
pub(crate) fn uuid() -> String {
    let digits = random();
    let [a, b, c, d, e] = [0..8, 8..12, 13..16, 17..20, 20..32].map(|range| &digits[range]);
    format!("{a}-{b}-4{c}-8{d}-{e}")
}

/// 32 random hexadecimal digits.
fn random() -> String {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).unwrap();
    hex::encode(bytes)
}
