//! What the guest sent, on its way to the host's program: as much as that has room for at once, the rest in order.

use super::ring::Buffers;
use super::violation::Violation;
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// The receive buffer that every connection advertises, in bytes: what the guest can send before the host's
/// program reads. No more of it is ever held here.
pub const BUF_ALLOC: u32 = 256 * 1024;

/// How much may have been passed on before the guest is told: early enough that it need not stop.
const CREDIT_UPDATE_AFTER: u32 = BUF_ALLOC / 4;

/// The data of one connection from its guest. Counters are modulo 2^32, as on the wire.
#[derive(Debug, Default)]
pub struct Backlog {
    received: u32,
    forwarded: u32,
    told: u32,
    waiting: VecDeque<u8>,
    cut_off: bool,
}

impl Backlog {
    /// Passes the guest's data on to `socket`, and keeps what the host's program does not take yet.
    ///
    /// virtio 1.2, 5.10.6.3.1: "VIRTIO_VSOCK_OP_RW data packets MUST only be transmitted when the peer has
    /// sufficient free buffer space for the payload." What the guest may count as free is what it was told
    /// of.
    pub fn take(&mut self, mut data: Buffers<'_>, socket: &UnixStream) -> Result<(), Violation> {
        let len = data.len();
        let free = BUF_ALLOC.saturating_sub(self.received.wrapping_sub(self.told));
        if len > free as usize {
            return Err(Violation("it sent more than its credit"));
        }
        self.received = self.received.wrapping_add(len as u32);
        while self.waiting.is_empty() && !self.cut_off && !data.is_empty() {
            match data.send(socket.as_fd()) {
                Ok(sent) => {
                    data.advance(sent);
                    self.note_forwarded(sent);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.cut_off(),
            }
        }
        if self.cut_off {
            self.note_forwarded(data.len());
        } else {
            data.append_to(&mut self.waiting);
        }
        Ok(())
    }

    /// Passes on what waits, as far as the host's program takes it.
    pub fn flush(&mut self, socket: &UnixStream) {
        while !self.waiting.is_empty() {
            match send(socket, self.waiting.as_slices().0) {
                Ok(sent) => {
                    self.waiting.drain(..sent);
                    self.note_forwarded(sent);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.cut_off(),
            }
        }
    }

    /// The host's program will read no more, so what the guest still sends goes nowhere, and counts as forwarded
    /// so that it never waits for room.
    fn cut_off(&mut self) {
        self.cut_off = true;
        let lost = self.waiting.len();
        self.waiting.clear();
        self.note_forwarded(lost);
    }

    fn note_forwarded(&mut self, bytes: usize) {
        self.forwarded = self.forwarded.wrapping_add(bytes as u32);
    }

    /// Whether nothing waits for the host's program to read.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the host's program will read no more.
    pub fn is_cut_off(&self) -> bool {
        self.cut_off
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Whether so much was passed on since the guest was last told that it should hear of it.
    pub fn is_update_due(&self) -> bool {
        self.forwarded.wrapping_sub(self.told) >= CREDIT_UPDATE_AFTER
    }

    /// What was passed on altogether, for the guest to be told now.
    pub fn tell(&mut self) -> u32 {
        self.told = self.forwarded;
        self.forwarded
    }
}

/// Writes to a socket as much as it takes without waiting, and says how much that was.
pub(super) fn send(socket: &UnixStream, bytes: &[u8]) -> io::Result<usize> {
    use nix::sys::socket::{MsgFlags, send};
    use std::os::fd::AsRawFd;
    Ok(send(
        socket.as_raw_fd(),
        bytes,
        MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT,
    )?)
}
