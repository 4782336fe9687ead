//! How a program of the host reaches a port of the guest, as with Firecracker: it connects to the guest's
//! socket and writes `CONNECT <port>\n`; when the guest has accepted it reads `OK <its own port>\n`, and from
//! there on the bytes are the guest's.

use nix::sys::socket::{MsgFlags, recv};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// `CONNECT 4294967295\n` and some room.
const MAX_LINE: usize = 32;

/// The guest's socket on the host. It is removed when this is dropped.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Listens on `path`, which must not exist.
    pub fn bind(path: &Path) -> io::Result<Listener> {
        let socket = UnixListener::bind(path)?;
        let listener = Listener {
            socket,
            path: path.to_owned(),
        };
        listener.socket.set_nonblocking(true)?;
        Ok(listener)
    }

    /// The next program, if one waits.
    pub fn accept(&self) -> io::Result<Option<Knock>> {
        match self.socket.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                Ok(Some(Knock { stream }))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A program that has connected and has yet to say which port it wants.
#[derive(Debug)]
pub struct Knock {
    stream: UnixStream,
}

impl Knock {
    /// Its socket.
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// The port that it wants, when its line is whole. Nothing behind the line is read: that is for the
    /// guest.
    pub fn port(&mut self) -> io::Result<Option<u32>> {
        let mut bytes = [0; MAX_LINE];
        let seen = match recv(
            self.stream.as_raw_fd(),
            &mut bytes,
            MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT,
        ) {
            Err(nix::errno::Errno::EAGAIN) => return Ok(None),
            seen => seen?,
        };
        let seen = bytes.get(..seen).unwrap_or_default();
        let Some(end) = seen.iter().position(|byte| *byte == b'\n') else {
            let hopeless = seen.is_empty() || seen.len() == MAX_LINE;
            return if hopeless {
                Err(io::ErrorKind::InvalidData.into())
            } else {
                Ok(None)
            };
        };
        let mut line = vec![0; end + 1];
        self.stream.read_exact(&mut line)?;
        let port = std::str::from_utf8(&line)
            .ok()
            .and_then(|line| line.strip_prefix("CONNECT ")?.trim_end().parse().ok());
        port.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Its socket, for the connection.
    pub fn into_stream(self) -> UnixStream {
        self.stream
    }
}
