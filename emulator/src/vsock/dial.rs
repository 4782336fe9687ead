//! Who answers on the host: programs in this process, Unix sockets beside the guest's own, the hub of all
//! guests.

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Serves ports of the host from within this process.
pub trait Dial: Send + Sync {
    /// Answers a guest's connection to a port of the host. It is called on the device's own thread and must
    /// not wait.
    fn dial(&mut self, guest_cid: u32, port: u32) -> Dialled;
}

/// A dialler's answer.
#[derive(Debug)]
pub enum Dialled {
    /// The connection's other end.
    Connected(UnixStream),
    /// The port is this dialler's, and it will not answer.
    Refused,
    /// The port is not this dialler's.
    Elsewhere,
}

/// The sockets of the host that a guest can reach.
pub struct Directory {
    /// Asked first.
    pub dialler: Box<dyn Dial>,
    /// `<path>_<port>` is asked next: the guest's own listeners.
    pub path: PathBuf,
    /// `<hub>/<port>.sock` is asked last: the host's listeners for all guests. They first get a line `CID
    /// <cid>\n`.
    pub hub: Option<PathBuf>,
}

impl Directory {
    /// Connects a guest to a port, without waiting. An error means that nobody listens there, or is too busy
    /// to.
    pub fn connect(&mut self, guest_cid: u32, port: u32) -> io::Result<UnixStream> {
        match self.dialler.dial(guest_cid, port) {
            Dialled::Connected(stream) => {
                stream.set_nonblocking(true)?;
                return Ok(stream);
            }
            Dialled::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
            Dialled::Elsewhere => {}
        }
        let own = connect_now(&self.own_listener(port));
        match (own, &self.hub) {
            (Err(error), Some(hub)) if error.kind() == io::ErrorKind::NotFound => {
                let mut stream = connect_now(&hub.join(format!("{port}.sock")))?;
                stream.write_all(format!("CID {guest_cid}\n").as_bytes())?;
                Ok(stream)
            }
            (own, _) => own,
        }
    }

    fn own_listener(&self, port: u32) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!("_{port}"));
        path.into()
    }
}

/// A listener whose queue is full answers EAGAIN here, where a blocking connect would hold up every other
/// connection.
fn connect_now(path: &Path) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let address = UnixAddr::new(path)?;
    connect(socket.as_raw_fd(), &address).map_err(|errno| match errno {
        Errno::EAGAIN => io::ErrorKind::ConnectionRefused.into(),
        errno => io::Error::from(errno),
    })?;
    Ok(socket.into())
}
