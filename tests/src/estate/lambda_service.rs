//! What runs functions: real `bootstrap` processes under the Runtime API ([`sandbox`]), and the Invoke API before them.
//!
//! As in AWS, a process serves one invocation at a time and is kept for the next; a change of the function's
//! configuration, an error of the process itself or the time limit ends it. Invocations beyond a function's concurrency
//! are refused with `TooManyRequestsException`.

mod function;
mod invoke_api;
mod runtime_api;
mod sandbox;

pub(crate) use sandbox::uuid;

pub use function::{Function, Functions};

use super::account::CallError;
use super::tasks::Task;
use axum::body::Bytes;
use sandbox::Sandbox;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// The longest event and answer of a synchronous invocation: Lambda's quota.
pub(crate) const MOST_BYTES: usize = 6 * 1024 * 1024;

/// How the service runs functions.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// The program that is every function's `bootstrap`, and words before it (`taskset -c 0`).
    pub bootstrap: Vec<PathBuf>,
    /// Where each function's output goes: `<folder>/<name>.log`.
    pub logs: PathBuf,
    /// What the functions see as `AWS_ENDPOINT_URL`.
    pub aws_endpoint: Option<String>,
    /// The processes of one function at once.
    pub concurrency: usize,
}

/// What an invocation came to.
#[derive(Debug, Clone)]
pub struct Invoked {
    /// The answer, or the error: `{"errorType":…,"errorMessage":…}`.
    pub payload: Bytes,
    /// The function failed: `Unhandled`.
    pub function_error: Option<&'static str>,
    /// From the start of the process until it asked for its first event; none: it had been running.
    pub init: Option<Duration>,
}

/// Why nothing was invoked.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such function.
    #[error("Function not found: {0}")]
    NotFound(String),
    /// All its processes are busy.
    #[error("Rate Exceeded.")]
    TooMany,
    /// The event is too long.
    #[error("Request must be smaller than {MOST_BYTES} bytes for the InvokeFunction operation")]
    TooLarge,
    /// The account does not say what the function is.
    #[error(transparent)]
    Account(#[from] CallError),
    /// The account's function is none that this service can run.
    #[error("{0}")]
    Unfit(String),
}

/// A service on a free port. All its processes end when it is dropped.
#[derive(Debug)]
pub struct LambdaService {
    service: Arc<Service>,
    address: SocketAddr,
    _server: Task,
}

#[derive(Debug)]
struct Service {
    functions: Functions,
    options: ServiceOptions,
    pools: Mutex<HashMap<String, Arc<Pool>>>,
}

/// The processes of one function.
#[derive(Debug)]
struct Pool {
    places: Semaphore,
    idle: Mutex<Vec<Sandbox>>,
}

impl LambdaService {
    /// Starts one.
    pub async fn start(functions: Functions, options: ServiceOptions) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Arc::new(Service {
            functions,
            options,
            pools: Mutex::default(),
        });
        let router = invoke_api::router(service.clone());
        let server = Task::start(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            service,
            address,
            _server: server,
        }
    }

    /// `http://127.0.0.1:PORT`, where the Invoke API is.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Invokes a function, by its name or ARN.
    pub async fn invoke(&self, function: &str, event: Bytes) -> Result<Invoked, Refusal> {
        self.service.invoke(function, event, None).await
    }

    /// What invokes functions when this may be busy with something else.
    pub fn invoker(&self) -> Invoker {
        Invoker(self.service.clone())
    }

    /// The ids of a function's idle processes.
    pub fn processes(&self, function: &str) -> Vec<u32> {
        let pool = self.service.pools.lock().unwrap().get(function).cloned();
        let idle = pool.iter().flat_map(|pool| {
            pool.idle
                .lock()
                .unwrap()
                .iter()
                .map(Sandbox::pid)
                .collect::<Vec<_>>()
        });
        idle.collect()
    }

    /// What a function wrote.
    pub fn log(&self, function: &str) -> String {
        std::fs::read_to_string(log_file(&self.service.options.logs, function)).unwrap_or_default()
    }
}

/// Invokes functions.
#[derive(Debug, Clone)]
pub struct Invoker(Arc<Service>);

impl Invoker {
    /// Invokes a function, by its name or ARN.
    pub async fn invoke(&self, function: &str, event: Bytes) -> Result<Invoked, Refusal> {
        self.0.invoke(function, event, None).await
    }
}

impl Service {
    async fn invoke(&self, function: &str, event: Bytes, trace: Option<&str>) -> Result<Invoked, Refusal> {
        if event.len() > MOST_BYTES {
            return Err(Refusal::TooLarge);
        }
        let function = self.functions.find(function::name_of(function)).await?;
        let pool = self.pool(&function.name);
        let _place = pool.places.try_acquire().map_err(|_| Refusal::TooMany)?;
        let idle = pool.take(&function);
        let mut sandbox = match idle {
            Some(sandbox) => sandbox,
            None => Sandbox::start(Arc::new(function), &self.options).await,
        };
        let invoked = sandbox.invoke(event, trace).await;
        if sandbox.is_fit() {
            pool.idle.lock().unwrap().push(sandbox);
        }
        Ok(invoked)
    }

    fn pool(&self, function: &str) -> Arc<Pool> {
        let new = || {
            Arc::new(Pool {
                places: Semaphore::new(self.options.concurrency),
                idle: Mutex::default(),
            })
        };
        let mut pools = self.pools.lock().unwrap();
        pools.entry(function.to_owned()).or_insert_with(new).clone()
    }
}

impl Pool {
    /// A process that waits, with the function as it is now; those of an older configuration and those that died end.
    fn take(&self, function: &Function) -> Option<Sandbox> {
        let mut idle = self.idle.lock().unwrap();
        idle.retain_mut(|sandbox| sandbox.is_fit() && sandbox.function() == function);
        idle.pop()
    }
}

fn log_file(folder: &Path, function: &str) -> PathBuf {
    folder.join(format!("{function}.log"))
}

#[cfg(test)]
mod tests;
