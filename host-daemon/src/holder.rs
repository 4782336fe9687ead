//! The holder: one process for each enclave. It owns all that an enclave is on its host, so that the daemon may come
//! and go; when its enclave ends, it leaves a word and goes too.

mod ingress;
mod output;

use crate::Error;
use crate::agent;
use crate::control::{Answer, Request, Status, read_line, write_line};
use crate::driver::{Driver, Enclave};
use crate::enclave_dir::{EnclaveDir, Ended, Spec};
use crate::files::RotatingLog;
use contract::agent as words;
use contract::ports::AGENT;
use contract::report::{Endpoint, MAX_ENDPOINTS};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

/// The most bytes of each of the two files of the holder's own words.
const HOLDER_LOG_BYTES: u64 = 64 << 10;
/// What the holder writes to its standard output once it answers at `control.sock`.
pub(crate) const READY: &str = "ready\n";
/// How long the agent may take to be there and take the launch message.
pub(crate) const LAUNCH_LIMIT: Duration = Duration::from_secs(60);
/// How long a console's reader is kept waiting for more.
const CONSOLE_PATIENCE: Duration = Duration::from_secs(1);

/// Holds the enclave of the directory `path` to its end. Everything that can be said stands in the directory.
pub fn hold<D: Driver>(driver: D, path: &Path) -> Result<(), Error> {
    // Out of the daemon's session, so that no terminal's signal ends enclaves. It fails only in who leads one already.
    let _ = nix::unistd::setsid();
    let dir = EnclaveDir::at(path.to_owned());
    let _lock = dir.lock_as_holder()?;
    log_to(&dir)?;
    let ended = match start(driver, &dir) {
        Ok(ended) => ended,
        Err(error) => Ended {
            not_started: true,
            how: error.to_string(),
            ..Ended::without_a_word()
        },
    };
    tracing::info!(how = ended.how, "ended");
    dir.write_ended(&ended)?;
    dir.remove_sockets()
}

fn log_to(dir: &EnclaveDir) -> Result<(), Error> {
    let path = dir.holder_log();
    let log = RotatingLog::open(path.clone(), HOLDER_LOG_BYTES).map_err(Error::io("open", &path))?;
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(Mutex::new(log))
        .init();
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}

fn start<D: Driver>(driver: D, dir: &EnclaveDir) -> Result<Ended, Error> {
    let spec = dir.spec()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Error::io("start the runtime for", dir.path()))?;
    runtime.block_on(async {
        // Listening comes first: who is told "ready" finds it, and it costs the guest no time.
        let listener = UnixListener::bind(dir.control()).map_err(Error::io("listen on", &dir.control()))?;
        let enclave = driver.launch(dir, &spec)?;
        let (ingress, stopped) = Default::default();
        let holder = Holder {
            driver,
            dir: dir.clone(),
            spec,
            enclave,
            ingress,
            stopped,
        };
        Ok(Arc::new(holder).serve(listener).await)
    })
}

/// An enclave and what serves it.
struct Holder<D: Driver> {
    driver: D,
    dir: EnclaveDir,
    spec: Spec,
    enclave: D::Enclave,
    /// Set once the launch message was taken; held over the taking of it, so that it is sent once.
    ingress: tokio::sync::Mutex<Option<Vec<Endpoint>>>,
    /// Who stopped it, if it was stopped.
    stopped: OnceLock<&'static str>,
}

impl<D: Driver> Holder<D> {
    /// Answers until the enclave ends; how it did.
    async fn serve(self: Arc<Self>, listener: UnixListener) -> Ended {
        tracing::info!(
            cid = self.spec.cid,
            module = self.enclave.module_id(),
            with = self.enclave.acceleration(),
            "runs"
        );
        // The daemon may be gone already: then nobody listens, and that is well.
        let _ = std::io::stdout().write_all(READY.as_bytes());
        let waiting = self.clone();
        let end = spawn_blocking(move || waiting.enclave.wait());
        let answering = async {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => drop(tokio::spawn(self.clone().answer(stream))),
                    Err(_) => sleep(Duration::from_millis(100)).await,
                }
            }
        };
        let terminating = async {
            terminated().await;
            self.stop("by a signal to its holder").await;
        };
        let ended = tokio::select! {
            ended = end => ended.unwrap_or_else(|_| Ended::without_a_word()),
            () = answering => Ended::without_a_word(),
            () = terminating => Ended::without_a_word(),
        };
        match self.stopped.get() {
            Some(by) => Ended {
                how: format!("it was stopped {by}"),
                accelerator_failed: false,
                ..ended
            },
            None => ended,
        }
    }

    async fn answer(self: Arc<Self>, mut stream: UnixStream) {
        let request = read_line(&mut BufReader::new(&mut stream)).await;
        let answer = match request {
            Ok(Some(Request::Status {})) => Answer::Status(self.status().await),
            Ok(Some(Request::Launch { message })) => match self.clone().launch(message).await {
                Ok(endpoints) => Answer::Launched(endpoints),
                Err(error) => Answer::Error(error.to_string()),
            },
            // Held open until the asker leaves, or closed by this process's end.
            Ok(Some(Request::Wait {})) => return drop(stream.read_u8().await),
            Ok(Some(Request::Stop {})) => {
                self.stop("on the host").await;
                Answer::Stopped
            }
            Ok(Some(Request::Console { from })) => self.console(from).await,
            Ok(None) => return,
            Err(error) => Answer::Error(format!("not a question: {error}")),
        };
        let _ = write_line(&mut stream, &answer).await;
    }

    async fn status(&self) -> Status {
        Status {
            module_id: self.enclave.module_id(),
            acceleration: self.enclave.acceleration(),
            // While the launch message is being taken there is no ingress yet.
            endpoints: self.ingress.try_lock().ok().and_then(|ingress| ingress.clone()),
        }
    }

    /// Gives the agent its launch message, once, and opens the ingress.
    async fn launch(self: Arc<Self>, message: Vec<u8>) -> Result<Vec<Endpoint>, Error> {
        let mut ingress = self.ingress.lock().await;
        if let Some(endpoints) = &*ingress {
            return Ok(endpoints.clone());
        }
        let ports = self.give(message).await?;
        let mut endpoints = Vec::new();
        for port in ports.into_iter().take(MAX_ENDPOINTS) {
            let address = ingress::open(self.clone(), port).await?;
            endpoints.push(Endpoint {
                port,
                address: address.to_string(),
            });
        }
        tokio::spawn(output::keep(self.clone()));
        *ingress = Some(endpoints.clone());
        Ok(endpoints)
    }

    /// Sends the launch message as soon as the agent listens; the application's ports.
    async fn give(&self, message: Vec<u8>) -> Result<Vec<u16>, Error> {
        let refused = |source| Error::Agent {
            asked: "to take the launch message",
            source,
        };
        let deadline = Instant::now() + LAUNCH_LIMIT;
        let mut stream = loop {
            match self.driver.connect(&self.dir, AGENT).await {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => return Err(refused(error.into())),
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        };
        let request = words::Request::Launch(message);
        match agent::ask(&mut stream, &request, LAUNCH_LIMIT)
            .await
            .map_err(refused)?
        {
            words::Answer::Launched(ports) => Ok(ports),
            _ => Err(refused(agent::AgentError::Unexpected)),
        }
    }

    async fn stop(self: &Arc<Self>, by: &'static str) {
        let _ = self.stopped.set(by);
        let stopping = self.clone();
        let _ = spawn_blocking(move || stopping.enclave.stop()).await;
    }

    async fn console(self: Arc<Self>, from: u64) -> Answer {
        match spawn_blocking(move || self.enclave.console(from, CONSOLE_PATIENCE)).await {
            Ok(chunk) => Answer::Console {
                next: chunk.next,
                bytes: chunk.bytes,
                ended: chunk.ended,
            },
            Err(error) => Answer::Error(error.to_string()),
        }
    }
}

/// Waits for SIGTERM or SIGINT.
pub(crate) async fn terminated() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
