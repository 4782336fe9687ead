//! An enclave as the daemon and the operator's commands have it: through its holder.

use crate::Error;
use crate::agent;
use crate::control::{self, Answer, Request, Status};
use crate::driver::Driver;
use crate::enclave_dir::{EnclaveDir, Ended, Spec};
use crate::holder::{LAUNCH_LIMIT, READY};
use contract::agent as words;
use contract::launch::LaunchMessage;
use contract::ports::AGENT;
use contract::report::Endpoint;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// How long a holder may take to start its enclave, to answer, and to end.
const START_LIMIT: Duration = Duration::from_secs(30);
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
const END_LIMIT: Duration = Duration::from_secs(5);

/// An enclave with its holder.
#[derive(Debug)]
pub struct Holding {
    /// Its directory.
    pub dir: EnclaveDir,
}

/// A holder that was started and has not said yet that it runs.
#[derive(Debug)]
pub struct Starting {
    dir: EnclaveDir,
    output: Option<ChildStdout>,
}

impl Holding {
    /// Starts a holder, the program `program`, for a directory that holds the EIF; what to run is written there.
    pub fn start(program: &Path, dir: EnclaveDir, spec: &Spec) -> Result<(Self, Starting), Error> {
        dir.write_spec(spec)?;
        let mut child = Command::new(program)
            .arg("hold")
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(false)
            .spawn()
            .map_err(Error::io("start the holder", program))?;
        let output = child.stdout.take();
        tokio::spawn(reap(child));
        Ok((Self { dir: dir.clone() }, Starting { dir, output }))
    }

    /// The enclave of `dir`, if its holder lives.
    pub fn find(dir: EnclaveDir) -> Result<Option<Self>, Error> {
        Ok(if dir.is_held()? { Some(Self { dir }) } else { None })
    }

    /// How far it is.
    pub async fn status(&self) -> Result<Status, Error> {
        match control::ask(&self.dir, &Request::Status {}, ANSWER_LIMIT).await? {
            Answer::Status(status) => Ok(status),
            _ => Err(self.unexpected()),
        }
    }

    /// Gives the agent its launch message, unless it has it; where the application's ports are reached.
    pub async fn launch(&self, message: &LaunchMessage) -> Result<Vec<Endpoint>, Error> {
        let request = Request::Launch {
            message: message.encode(),
        };
        match control::ask(&self.dir, &request, 2 * LAUNCH_LIMIT + ANSWER_LIMIT).await? {
            Answer::Launched(endpoints) => Ok(endpoints),
            _ => Err(self.unexpected()),
        }
    }

    /// A piece of its console, from the byte `from` on.
    pub async fn console(&self, from: u64) -> Result<crate::driver::Console, Error> {
        match control::ask(&self.dir, &Request::Console { from }, ANSWER_LIMIT).await? {
            Answer::Console { next, bytes, ended } => Ok(crate::driver::Console { next, bytes, ended }),
            _ => Err(self.unexpected()),
        }
    }

    /// Waits until it has ended; how it did. The directory is still there.
    pub async fn ended(&self) -> Ended {
        control::wait_for_end(&self.dir).await;
        self.dir.ended()
    }

    /// Asks the application to end within `grace`, ends the enclave, and waits until nothing of it runs. The directory
    /// is still there.
    pub async fn stop<D: Driver>(&self, driver: &D, grace: Option<Duration>) -> Result<Ended, Error> {
        if let Some(grace) = grace {
            let orderly = async {
                self.ask_to_stop(driver, grace).await?;
                Ok::<_, agent::AgentError>(self.ended().await)
            };
            if let Ok(Ok(ended)) = timeout(grace + END_LIMIT, orderly).await {
                return Ok(ended);
            }
        }
        let _ = control::ask(&self.dir, &Request::Stop {}, END_LIMIT).await;
        if let Ok(ended) = timeout(END_LIMIT, self.ended()).await {
            return Ok(ended);
        }
        self.kill()?;
        let problem = "it does not end, though it was killed; see `ps` for its state".into();
        let killed = timeout(END_LIMIT, self.ended()).await;
        killed.map_err(|_| Error::Holder {
            dir: self.dir.path().to_owned(),
            problem,
        })
    }

    async fn ask_to_stop<D: Driver>(&self, driver: &D, grace: Duration) -> Result<(), agent::AgentError> {
        let mut stream = timeout(ANSWER_LIMIT, driver.connect(&self.dir, AGENT))
            .await
            .map_err(|_| agent::AgentError::TimedOut(ANSWER_LIMIT))??;
        let seconds = u32::try_from(grace.as_secs()).unwrap_or(u32::MAX);
        agent::ask(&mut stream, &words::Request::Stop(seconds), ANSWER_LIMIT).await?;
        Ok(())
    }

    /// Ends the holder, and by that the enclave. The lock proves that the process id is still the holder's.
    fn kill(&self) -> Result<(), Error> {
        if let (true, Some(pid)) = (self.dir.is_held()?, self.dir.holder_pid()) {
            kill(Pid::from_raw(pid), Signal::SIGKILL)
                .map_err(|error| Error::io("kill the holder of", self.dir.path())(error.into()))?;
        }
        Ok(())
    }

    fn unexpected(&self) -> Error {
        let problem = "an answer to another question".into();
        Error::Holder {
            dir: self.dir.path().to_owned(),
            problem,
        }
    }
}

impl Starting {
    /// Waits until the enclave runs: the holder's own word, or the reason that it left.
    pub async fn ready(mut self) -> Result<(), Error> {
        let mut word = String::new();
        let listen = async {
            if let Some(output) = &mut self.output {
                let _ = output.take(READY.len() as u64).read_to_string(&mut word).await;
            }
        };
        let in_time = timeout(START_LIMIT, listen).await;
        if word == READY {
            return Ok(());
        }
        Err(Error::NotStarted(match in_time {
            Ok(()) => self.dir.ended().how,
            Err(_) => format!("its holder said nothing within {} s", START_LIMIT.as_secs()),
        }))
    }
}

/// Takes note of the holder's end, so that it leaves no zombie. A daemon that starts later is not its parent.
async fn reap(mut child: Child) {
    if let Err(error) = child.wait().await {
        tracing::warn!(%error, "wait for a holder");
    }
}
