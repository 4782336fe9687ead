//! A vsock device for one guest, over the vhost-user protocol; any number of them in a process.
//!
//! The host is CID 2 and CID 3 to the guest. What the guest dials is answered by a [`Dial`] of this process,
//! by a Unix socket `<path>_<port>`, or by `<hub>/<port>.sock`, in this order; where nobody listens the guest
//! gets a reset at once. Programs of the host dial the guest through the Unix socket `<path>`.
//!
//! - the guest's memory and queues: [`ring`], [`device`]
//! - what is in the queues: [`packet`]
//! - the connections: [`connection`], what flows from the guest ([`backlog`]) and to it ([`credit`], in turns), and
//!   the table of them: [`switch`]
//! - the host's side: [`listener`], [`dial`]

pub mod backlog;
pub mod connection;
pub mod credit;
mod device;
pub mod dial;
pub mod listener;
pub mod packet;
pub mod ring;
pub mod switch;
mod turn;
pub mod violation;

use crate::Error;
use device::{Device, HOST_EVENT};
use dial::Directory;
pub use dial::{Dial, Dialled};
use listener::Listener;
use std::fmt::Display;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use switch::Switch;
use vhost_user_backend::{ShutdownHandle, VhostUserDaemon};
use vm_memory::{GuestMemoryAtomic, GuestMemoryMmap};
use vmm_sys_util::epoll::EventSet;

/// The most bytes in the path of a Unix socket (`sun_path` of unix(7), less its last zero).
const MAX_SOCKET_PATH: usize = 107;
/// `_4294967295`, the longest that a listener's path adds to the guest's.
const MAX_PORT_SUFFIX: usize = 11;

/// What a device is for.
pub struct Config {
    /// The guest's address.
    pub cid: u32,
    /// The guest's socket on the host; see [`listener`].
    pub path: PathBuf,
    /// The directory of the listeners for all guests.
    pub hub: Option<PathBuf>,
    /// Who serves ports from within this process.
    pub dialler: Box<dyn Dial>,
}

/// A running device. It ends, with its socket and every connection, when QEMU closes its end or when this is
/// dropped.
pub struct Vsock {
    shutdown: Option<ShutdownHandle>,
    thread: Option<JoinHandle<()>>,
}

impl Vsock {
    /// Starts the device, and returns with it the socket to hand to QEMU.
    pub fn start(config: Config) -> Result<(Vsock, UnixStream), Error> {
        let Config {
            cid,
            path,
            hub,
            dialler,
        } = config;
        let failed = |reason: &dyn Display| Error::Vsock {
            cid,
            reason: reason.to_string(),
        };
        if path.as_os_str().len() + MAX_PORT_SUFFIX > MAX_SOCKET_PATH {
            let most = MAX_SOCKET_PATH - MAX_PORT_SUFFIX;
            return Err(failed(&format!(
                "{} is longer than {most} bytes: choose a shorter run directory",
                path.display()
            )));
        }
        let listener =
            Listener::bind(&path).map_err(|error| failed(&format!("{}: {error}", path.display())))?;
        let directory = Directory {
            dialler,
            path: path.clone(),
            hub,
        };
        let switch = Switch::new(cid, listener, directory).map_err(|error| failed(&error))?;
        let host_events = switch.as_raw_fd();
        let memory = GuestMemoryAtomic::new(GuestMemoryMmap::new());
        let device = Arc::new(Mutex::new(Device::new(cid, memory.clone(), switch)));
        let mut daemon =
            VhostUserDaemon::new(format!("vsock-{cid}"), device, memory).map_err(|error| failed(&error))?;
        for worker in daemon.get_epoll_handlers() {
            worker
                .register_listener(host_events, EventSet::IN, HOST_EVENT)
                .map_err(|error| failed(&error))?;
        }

        // The daemon takes a connection from a listener only. This one is gone as soon as it has been used.
        let front_path = path.with_extension("vhost");
        let socket = UnixListener::bind(&front_path)
            .map_err(|error| failed(&format!("{}: {error}", front_path.display())))?;
        let front = UnixStream::connect(&front_path);
        let _ = std::fs::remove_file(&front_path);
        let front = front.map_err(|error| failed(&error))?;
        daemon.start(&mut socket.into()).map_err(|error| failed(&error))?;
        let shutdown = daemon.shutdown_handle();
        let ends = move || {
            let _ = daemon.wait();
        };
        let thread = thread::Builder::new()
            .name(format!("vsock-{cid}-end"))
            .spawn(ends)
            .map_err(|error| failed(&error))?;
        Ok((
            Vsock {
                shutdown,
                thread: Some(thread),
            },
            front,
        ))
    }
}

impl Drop for Vsock {
    fn drop(&mut self) {
        if let Some(shutdown) = &self.shutdown {
            shutdown.shutdown();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
