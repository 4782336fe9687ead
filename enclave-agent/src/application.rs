//! The application: the image's program, started as a container engine would start it, watched and ended.
//!
//! - what is to be started: [`plan`], its signals: [`signals`]
//! - its first process, the program `treza-agent application`: [`init`], which makes its file system ([`root`],
//!   [`devices`]) and becomes it ([`program`], [`capabilities`])
//! - the agent's side of that process: [`process`]
//! - its life: [`supervisor`], [`restart`]; how it is: [`health`], [`probe`]; what it writes: [`output`]

mod capabilities;
mod devices;
mod health;
pub mod init;
mod output;
mod plan;
mod probe;
mod process;
mod program;
mod restart;
mod root;
mod signals;
mod step;
mod supervisor;

pub use output::{Output, Reader};

use contract::image::ImageDescription;
use contract::launch::LaunchMessage;
use contract::statement::Health;
use health::Tracker;
use plan::Plan;
use std::ffi::CString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Where an application's parts are; the defaults are an enclave's.
#[derive(Debug, Clone)]
pub struct Place {
    /// The program of the agent, which is also the application's first process.
    pub agent: CString,
    /// The image's files.
    pub root: PathBuf,
    /// The secure module's device, for images that ask for it.
    pub nsm: PathBuf,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            agent: c"/proc/self/exe".to_owned(),
            root: PathBuf::from("/").join(contract::image::ROOT),
            nsm: crate::secure_module::DEVICE.into(),
        }
    }
}

/// A started application. Dropping it leaves it running: an enclave ends as a whole.
pub struct Application {
    tracker: Arc<Mutex<Tracker>>,
    output: Arc<Output>,
    stop: watch::Sender<Option<Duration>>,
}

impl Application {
    /// Starts the application of `image` as `launch` wants it, and watches over it from now on.
    pub fn start(place: Place, image: &ImageDescription, launch: &LaunchMessage) -> Self {
        let tracker = Arc::new(Mutex::new(Tracker::default()));
        let output = Arc::new(Output::default());
        let (stop, stopped) = watch::channel(None);
        let supervisor = supervisor::Supervisor {
            plan: Plan::new(&place, image, launch),
            check: probe::Check::new(launch.probe.as_ref(), &ports(image, launch)),
            stop_signal: signals::number(&image.stop_signal),
            workload: launch.workload,
            place,
            tracker: tracker.clone(),
            output: output.clone(),
            stop: stopped,
        };
        tokio::spawn(supervisor.run());
        Self {
            tracker,
            output,
            stop,
        }
    }

    /// How the application is.
    pub fn health(&self) -> Health {
        self.tracker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .health(&self.output)
    }

    /// What the application wrote and writes, from the oldest that is held.
    pub fn output(&self) -> Reader {
        self.output.reader()
    }

    /// Ends the application: its stop signal, then after `grace` the certain end. Returns when nothing of it is left.
    pub async fn stop(&self, grace: Duration) {
        self.stop.send_replace(Some(grace));
        self.stop.closed().await;
        self.output.close();
    }
}

/// The ports that the host may ask for: those of the launch message, or else those that the image exposes.
pub fn ports(image: &ImageDescription, launch: &LaunchMessage) -> Vec<u16> {
    if launch.ports.is_empty() {
        image.exposed_ports.clone()
    } else {
        launch.ports.clone()
    }
}
