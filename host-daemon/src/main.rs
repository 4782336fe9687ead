//! `treza-host`: the host daemon, the holders that it starts, and the operator's commands.
#![forbid(unsafe_code)]

use clap::{Args, Parser, Subcommand};
use host_daemon::command::{self, RunOptions};
use host_daemon::config::Config;
use host_daemon::driver::Emulator;
use host_daemon::state_dir::{StateDir, default_state_dir};
use host_daemon::{Error, daemon, holder};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(name = "treza-host", version, about = "Runs enclaves on this host")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run what the table assigns to this host
    Daemon {
        /// The daemon's configuration (TOML)
        #[arg(long)]
        config: PathBuf,
    },
    /// Hold the enclave of a directory (started by the daemon)
    #[command(hide = true)]
    Hold {
        /// The enclave's directory
        dir: PathBuf,
    },
    /// List the enclaves on this host
    List {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print an enclave's console
    Console {
        #[command(flatten)]
        place: Place,
        /// A row's id, or a CID
        enclave: String,
        /// Go on until it ends
        #[arg(long, short)]
        follow: bool,
    },
    /// Print the output of an enclave's application
    Logs {
        #[command(flatten)]
        place: Place,
        /// A row's id, or a CID
        enclave: String,
        /// Go on until it ends
        #[arg(long, short)]
        follow: bool,
    },
    /// End an enclave
    Stop {
        #[command(flatten)]
        place: Place,
        /// A row's id, or a CID
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        enclave: Option<String>,
        /// End all of them
        #[arg(long)]
        all: bool,
        /// Seconds that the application has to end by itself
        #[arg(long, default_value_t = 10)]
        grace: u32,
    },
    /// Run an enclave outside any row
    Run {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        options: RunOptions,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Place {
    /// The host's state directory
    #[arg(long, env = "TREZA_HOST_STATE_DIR", default_value_os_t = default_state_dir())]
    state_dir: PathBuf,
}

impl Place {
    /// For commands that make nothing.
    fn look(&self) -> StateDir {
        StateDir::at(&self.state_dir)
    }

    fn open(&self) -> Result<StateDir, Error> {
        StateDir::open(&self.state_dir)
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("treza-host: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Error> {
    match command {
        // The holder has a log and a runtime of its own, and writes nothing to where it was started from.
        Command::Hold { dir } => holder::hold(Emulator, &dir),
        Command::Daemon { config } => complete(daemon::run(Config::read(&config)?)),
        Command::List { place, json } => complete(command::list(&place.look(), json)),
        Command::Console {
            place,
            enclave,
            follow,
        } => complete(command::console(&place.look(), &enclave, follow)),
        Command::Logs {
            place,
            enclave,
            follow,
        } => complete(command::logs(&place.look(), &enclave, follow)),
        Command::Stop {
            place,
            enclave,
            all: _,
            grace,
        } => {
            let (place, grace) = (place.look(), Duration::from_secs(grace.into()));
            match enclave {
                Some(enclave) => complete(command::stop(&place, &enclave, grace)),
                None => complete(command::stop_all(&place, grace)),
            }
        }
        Command::Run { place, options, json } => complete(command::run(&place.open()?, &options, json)),
    }
}

fn complete(work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Error::Io {
        what: "start the runtime".into(),
        source,
    })?;
    let done = runtime.block_on(work);
    // What still hashes or compresses on a thread is given up, not waited for.
    runtime.shutdown_background();
    done
}
