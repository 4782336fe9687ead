//! `treza local`: up in the background or in the foreground, and down.

use super::database::Served;
use super::host::ThisMachine;
use super::runner::{self, Runner};
use super::state::{LocalFile, StateDir};
use super::supervise::{Supervised, end_orphans};
use super::{Error, programs};
use crate::images::Builder;
use crate::pipeline::Pipeline;
use crate::ports::{LogNotifier, SystemClock};
use attestation::Root;
use contract::RecordId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nsm::development::{Authority, CERTIFICATE_FILE};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Connection, Reports, Rows, Tables};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// How long the pipeline may take to come up, and to end with all its enclaves.
const UP_LIMIT: Duration = Duration::from_secs(60);
const DOWN_LIMIT: Duration = Duration::from_secs(60);
/// How long a row may wait for this machine: an image to be fetched and built, an enclave to boot.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// The wait between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// The most bytes of a log's end that are shown.
const TAIL: u64 = 2048;

/// What a local pipeline is told at its start.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The port of 127.0.0.1 for DynamoDB; 0: any free one
    #[arg(long, value_name = "N", default_value_t = 8000)]
    pub dynamodb_port: u16,
    /// An S3 other than AWS's, for EIFs at s3://
    #[arg(long, value_name = "URL")]
    pub s3_endpoint: Option<String>,
    /// The folder of bundles [default: `bundles` beside the program's folder]
    #[arg(long, value_name = "DIR", env = "TREZA_BUNDLES")]
    pub bundles: Option<PathBuf>,
}

/// Starts the pipeline in the background; answers when it is ready.
pub async fn up(state: &StateDir, region: &str, options: &Options) -> Result<LocalFile, Error> {
    state.create()?;
    if state.is_up()? {
        return Err(Error::AlreadyUp(state.path().to_owned()));
    }
    let path = state.pipeline_log();
    let log = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(Error::file("open", &path))?;
    let before = log.metadata().map_err(Error::file("open", &path))?.len();
    let mut child = background(state, region, options, log)?;
    let deadline = Instant::now() + UP_LIMIT;
    loop {
        if let Ok(local) = state.read_local() {
            return Ok(local);
        }
        let ended = child
            .try_wait()
            .map_err(Error::file("wait for", state.path()))?
            .is_some();
        if ended || Instant::now() > deadline {
            // It may have ended by itself, which is what is wanted.
            let _ = child.kill().await;
            return Err(Error::NotReady {
                tail: tail(&path, before).unwrap_or_default(),
                log: path,
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// This program again, in a session of its own, its output to the log.
fn background(state: &StateDir, region: &str, options: &Options, log: File) -> Result<Child, Error> {
    let program = programs::this()?;
    let errors = log.try_clone().map_err(Error::file("open", &program))?;
    let mut command = Command::new(&program);
    command
        .args([
            "local",
            "up",
            "--foreground",
            "--detach",
            "--region",
            region,
            "--state-dir",
        ])
        .arg(state.path())
        .args(["--dynamodb-port", &options.dynamodb_port.to_string()]);
    if let Some(endpoint) = &options.s3_endpoint {
        command.args(["--s3-endpoint", endpoint]);
    }
    if let Some(bundles) = &options.bundles {
        command.arg("--bundles").arg(bundles);
    }
    command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(Error::file("start", &program))
}

/// Runs the pipeline until SIGTERM or SIGINT, and ends what it started.
pub async fn up_foreground(state: &StateDir, region: &str, options: &Options) -> Result<(), Error> {
    let mut terminated =
        signal(SignalKind::terminate()).map_err(Error::file("listen for signals of", state.path()))?;
    let mut interrupted =
        signal(SignalKind::interrupt()).map_err(Error::file("listen for signals of", state.path()))?;
    state.create()?;
    let _lock = state.lock()?;
    let running = Running::start(state, region, options).await?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    tracing::info!("ending");
    state.remove_local();
    running.stop(state).await
}

/// All that runs of a local pipeline.
struct Running {
    served: Served,
    daemon: Supervised,
    runner: Runner,
}

impl Running {
    async fn start(state: &StateDir, region: &str, options: &Options) -> Result<Self, Error> {
        programs::qemu()?;
        let host = programs::beside("treza-host")?;
        let bundles = programs::bundles(options.bundles.clone())?;
        end_orphans(&state.host_config()).await;

        let served = Served::start(Some(&state.database()), options.dynamodb_port).await?;
        let connection = Connection {
            endpoint: Some(served.endpoint.clone()),
            s3_endpoint: options.s3_endpoint.clone(),
            profile: None,
            region: region.to_owned(),
        };
        let (client, tables) = (connection.dynamodb().await, Tables::default());
        store::schema::create(&client, &tables).await?;
        tracing::info!(
            endpoint = served.endpoint,
            rows = tables.rows,
            reports = tables.reports,
            "DynamoDB is up"
        );

        let authority = Authority::open(&state.development_ca())?;
        let root =
            Root::from_der(authority.certificate()).map_err(|error| Error::Database(error.to_string()))?;
        let instance_id = state.instance_id()?;
        let pipeline = Pipeline {
            rows: Rows::new(client.clone(), &tables.rows),
            reports: Reports::new(client, &tables.reports),
            images: Arc::new(Builder::new(bundles.clone(), state.cache(), connection.clone())),
            hosts: Arc::new(ThisMachine {
                instance_id: instance_id.clone(),
            }),
            notifier: Arc::new(LogNotifier),
            clock: Arc::new(SystemClock),
            roots: vec![Root::aws_nitro(), root],
            region: region.to_owned(),
            patience: PATIENCE,
        };
        let (rows, reports) = runner::open(&served, &tables, state)?;
        let runner = Runner::start(pipeline, served.database.clone(), rows, reports).await?;
        tracing::info!(instance_id, "the pipeline is up");

        super::host::configure(state, &instance_id, &connection, &tables, &bundles)?;
        let daemon = Supervised::start(host, state.host_config(), state.host_log())?;
        state.write_local(&LocalFile {
            pid: Pid::this().as_raw(),
            endpoint: served.endpoint.clone(),
            region: region.to_owned(),
            rows: tables.rows,
            reports: tables.reports,
            instance_id,
            development_root: state.development_ca().join(CERTIFICATE_FILE),
        })?;
        tracing::info!("the host daemon is started");
        Ok(Self {
            served,
            daemon,
            runner,
        })
    }

    /// The daemon first, so that it does not take the end of its enclaves for a failure.
    async fn stop(self, state: &StateDir) -> Result<(), Error> {
        self.daemon.stop().await;
        let stopped = stop_enclaves(state).await;
        drop(self.runner);
        self.served.stop().await;
        stopped
    }
}

/// What `treza local down` found and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The pipeline, and everything that it started.
    Pipeline,
    /// No pipeline: what one that was killed had left running, none of either if there was nothing.
    Remains {
        /// Host daemons.
        daemons: usize,
        /// Enclaves.
        enclaves: usize,
    },
}

/// Ends the pipeline on `state` and everything that it started, or what one that was killed left.
pub async fn down(state: &StateDir) -> Result<Ended, Error> {
    if !state.is_up()? {
        let daemons = end_orphans(&state.host_config()).await;
        let enclaves = enclaves(state);
        if state.host_state().exists() {
            stop_enclaves(state).await?;
        }
        state.remove_local();
        return Ok(Ended::Remains { daemons, enclaves });
    }
    let pid = Pid::from_raw(state.read_local()?.pid);
    signal_process(pid, Signal::SIGTERM)?;
    let deadline = Instant::now() + DOWN_LIMIT;
    while state.is_up()? {
        if Instant::now() > deadline {
            signal_process(pid, Signal::SIGKILL)?;
            end_orphans(&state.host_config()).await;
            stop_enclaves(state).await?;
            state.remove_local();
            return Err(Error::Killed(pid.as_raw()));
        }
        tokio::time::sleep(LOOK).await;
    }
    // The lock is let go a moment before the process itself is gone; a parent that does not wait for it may keep it.
    for _ in 0..10 {
        if kill(pid, None).is_err() {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(Ended::Pipeline)
}

/// How many enclaves there are on this pipeline's host, with a holder or without.
fn enclaves(state: &StateDir) -> usize {
    std::fs::read_dir(state.host_state().join("enclaves")).map_or(0, Iterator::count)
}

fn signal_process(pid: Pid, signal: Signal) -> Result<(), Error> {
    let program = PathBuf::from(format!("process {pid}"));
    kill(pid, signal).map_err(|errno| Error::file("end", &program)(io::Error::from(errno)))
}

/// `treza-host stop --all`: every enclave of this host ends.
async fn stop_enclaves(state: &StateDir) -> Result<(), Error> {
    let program = programs::beside("treza-host")?;
    let mut child = Command::new(&program)
        .args(["stop", "--all", "--state-dir"])
        .arg(state.host_state())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(Error::file("start", &program))?;
    let status = tokio::time::timeout(DOWN_LIMIT / 2, child.wait())
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(Error::file("wait for", &program))?;
    if status.success() {
        return Ok(());
    }
    let said = io::Error::other(format!("`treza-host stop --all` ended with {status}"));
    Err(Error::file("stop the enclaves with", &program)(said))
}

/// `treza-host logs`: what the application of the row `id` wrote, shown, or, with `capture`, answered.
pub async fn application_log(
    state: &StateDir,
    id: &RecordId,
    follow: bool,
    capture: bool,
) -> Result<Output, Error> {
    let program = programs::beside("treza-host")?;
    let mut command = Command::new(&program);
    command
        .args(["logs", id.as_str(), "--state-dir"])
        .arg(state.host_state());
    if follow {
        command.arg("--follow");
    }
    let stdout = if capture { Stdio::piped() } else { Stdio::inherit() };
    let child = command.stdout(stdout).stderr(Stdio::inherit()).kill_on_drop(true);
    let child = child.spawn().map_err(Error::file("start", &program))?;
    child
        .wait_with_output()
        .await
        .map_err(Error::file("run", &program))
}

/// The end of what was added to a log after its first `before` bytes.
fn tail(log: &Path, before: u64) -> io::Result<String> {
    let mut log = File::open(log)?;
    let start = log.metadata()?.len().saturating_sub(TAIL).max(before);
    log.seek(SeekFrom::Start(start))?;
    let mut added = Vec::new();
    log.take(TAIL).read_to_end(&mut added)?;
    Ok(String::from_utf8_lossy(&added).trim_end().to_owned())
}
