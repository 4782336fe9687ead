//! `treza-agent`: process 1 of the enclave, and, started by itself as `treza-agent application`, process 1 of the
//! application.
#![forbid(unsafe_code)]

use contract::image::{self, ImageDescription, ImageError};
use contract::ports;
use enclave_agent::application::init;
use enclave_agent::{
    Agent, End, Place, SecureModule, control, heartbeat, modules, mounts, network, say, secure_module,
};
use nix::sys::resource::{Resource, setrlimit};
use std::convert::Infallible;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tokio_vsock::{VsockAddr, VsockListener};

/// Two for each connection that may be forwarded, and some more.
const OPEN_FILES: u64 = 4096;

/// Why the enclave cannot go on.
#[derive(Debug, thiserror::Error)]
enum BootError {
    #[error(transparent)]
    Mounts(#[from] mounts::MountError),
    #[error(transparent)]
    Modules(#[from] modules::ModuleError),
    #[error("cannot bring the loopback interface up: {0}")]
    Network(io::Error),
    #[error(
        "cannot listen on vsock port {port}: {0}; does the kernel have a vsock device?", port = ports::AGENT)]
    Listen(io::Error),
    #[error("cannot read /{path}: {0}; the image must be built with treza-eif", path = image::PATH)]
    NoImage(io::Error),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    SecureModule(#[from] secure_module::Error),
    #[error("{0}")]
    System(#[from] io::Error),
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if arguments == [OsStr::from_bytes(init::ARGUMENT.to_bytes())] {
        init::run();
    }
    if std::process::id() != 1 {
        say!("this is process 1 of an enclave; it is of no use elsewhere");
        return ExitCode::FAILURE;
    }
    match boot() {
        Ok(never) => match never {},
        Err(error) => say!("the enclave ends: {error}"),
    }
    restart()
}

fn boot() -> Result<Infallible, BootError> {
    mounts::mount_system()?;
    modules::load(Path::new(modules::FOLDER))?;
    network::bring_up().map_err(BootError::Network)?;
    // Not to be looked into by an application that is root, should it ever see this process.
    nix::sys::prctl::set_dumpable(false).map_err(io::Error::from)?;
    setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES).map_err(io::Error::from)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let end = runtime.block_on(run())?;
    say!("the enclave ends: {end:?}");
    restart();
}

async fn run() -> Result<End, BootError> {
    let listener = VsockListener::bind(VsockAddr::new(vsock::VMADDR_CID_ANY, ports::AGENT))
        .map_err(BootError::Listen)?;
    tokio::spawn(heartbeat::send());
    let secure_module = SecureModule::start(secure_module::open).await?;
    let image = read_image()?;
    let mut boot_id = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut boot_id)?;
    let agent = Arc::new(Agent::new(secure_module, image, Place::default(), boot_id));
    tokio::spawn(control::listen(agent.clone(), listener));
    Ok(agent.ended().await)
}

fn read_image() -> Result<ImageDescription, BootError> {
    let mut json = Vec::new();
    let file = File::open(Path::new("/").join(image::PATH)).map_err(BootError::NoImage)?;
    file.take(image::MAX_BYTES as u64 + 1)
        .read_to_end(&mut json)
        .map_err(BootError::NoImage)?;
    Ok(ImageDescription::parse(&json)?)
}

/// Ends the machine: an enclave that restarts is one that has ended.
fn restart() -> ! {
    nix::unistd::sync();
    let _ = nix::sys::reboot::reboot(nix::sys::reboot::RebootMode::RB_AUTOBOOT);
    // Not reached by process 1; the kernel panics at its exit, which ends the machine too.
    std::process::exit(1)
}
