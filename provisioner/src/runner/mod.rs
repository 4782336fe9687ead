//! The runner: a task that makes one row's host with Terraform, or gives it back, or measures an image that is too large
//! for a function.
//!
//! Whoever works on a row's host has its lease in the table of turns, so that one run at a time does; a run for a turn
//! that is over does nothing. What comes of a run is noted there too: a host, or the reason why there is none. So an
//! exit code other than 0 says that the run itself was lost, and another one goes on where it stopped: Terraform's state
//! is in S3, written as it goes.
//!
//! - what it is told: [`settings`]; what Terraform is told of a row: [`variables`]
//! - Terraform on one host: [`terraform`]; one run of its program: [`process`]; what it says, and what a person is to do
//!   about it: [`diagnosis`]
//! - who works on a host, alone: [`lease`]; what ends a run before it is done: [`stop`]
//! - the work itself: [`work`]

pub mod diagnosis;
mod lease;
mod process;
pub mod settings;
mod stop;
mod terraform;
pub mod variables;
mod work;

use crate::aws::Deployment;
use crate::aws::settings as aws_settings;
use crate::pipeline;
use std::path::{Path, PathBuf};
use stop::Stop;

pub use settings::Settings;

/// What the runner is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Command {
    /// Make the row's host, or bring it up to the row's present turn
    Apply,
    /// Give the row's host back
    Destroy,
    /// Measure the row's image
    Measure,
}

/// Why the runner could not do its work, or not say what came of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What it was told.
    #[error(transparent)]
    Settings(#[from] aws_settings::Error),
    /// The pipeline.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// A file of its own.
    #[error("cannot {doing} {}: {source}", .path.display())]
    File {
        /// What was to be done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Another run has the host, and does not come to an end.
    #[error("another run has had the host of this row for {0} s: see the other runs of the runner's task")]
    Busy(u64),
    /// It was told to end.
    #[error("the run was told to end before it was done; the next one goes on")]
    Terminated,
    /// The host could not be given back.
    #[error("the host could not be given back: {0}")]
    Left(String),
}

impl Error {
    fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Pipeline(error.into())
    }
}

/// Does `command` for the turn that the environment names.
///
/// # Errors
/// The run was lost, or could not say what came of it.
pub async fn run(command: Command) -> Result<(), Error> {
    let stop = Stop::listen().map_err(Error::file("listen to", Path::new("signals")))?;
    let settings = Settings::from_environment()?;
    let deployment = Deployment::new(aws_settings::Settings::from_environment()?).await?;
    let work = work::Work::new(deployment, settings, stop);
    match command {
        Command::Apply => work.apply().await,
        Command::Destroy => work.destroy().await,
        Command::Measure => work.measure().await,
    }
}
