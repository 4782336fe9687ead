//! One connection between a port of the guest and a socket of the host: its credit, its backlog, its end.

use super::packet::{Header, Op, SHUTDOWN_BOTH, SHUTDOWN_RECEIVE, SHUTDOWN_SEND, STREAM};
use super::ring::Buffers;
use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// The receive buffer that every connection advertises, in bytes: what the guest can send before the host's program reads. No more of it
/// is ever held here.
pub const BUF_ALLOC: u32 = 256 * 1024;

/// How much may have been passed on before the guest is told: early enough that it need not stop.
const CREDIT_UPDATE_AFTER: u32 = BUF_ALLOC / 4;

/// The guest broke the protocol: the connection is reset.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation(pub &'static str);

/// What a connection has to say to the guest besides data.
#[derive(Debug, Default)]
struct Pending {
    open: Option<Op>,
    credit_update: bool,
    credit_request: bool,
    shutdown: bool,
}

/// A connection. "Guest" and "host" are its two ends; the host's is a Unix socket that never blocks.
#[derive(Debug)]
pub struct Connection {
    /// The host's end.
    pub socket: UnixStream,
    /// Whether it already waits for a turn.
    pub queued: bool,
    host_cid: u64,
    established: bool,
    pending: Pending,

    // Guest to host. Counters are modulo 2^32, as on the wire.
    received: u32,
    forwarded: u32,
    forwarded_told: u32,
    backlog: VecDeque<u8>,
    guest_shutdown: u32,
    discard: bool,

    // Host to guest.
    sent: u32,
    guest_buf_alloc: u32,
    guest_forwarded: u32,
    credit_asked: bool,
    readable: bool,
    hung_up: bool,
    read_closed: bool,
    own_shutdown: u32,
}

impl Connection {
    /// One that the guest asked for with `request`; `socket` is who answered.
    pub fn accepted(socket: UnixStream, request: &Header) -> Connection {
        let mut connection = Connection::new(socket, request.dst_cid, Op::Response);
        connection.established = true;
        connection.guest_buf_alloc = request.buf_alloc;
        connection
    }

    /// One that a program of the host asks for. It is established when the guest responds.
    pub fn requested(socket: UnixStream, host_cid: u64) -> Connection {
        Connection::new(socket, host_cid, Op::Request)
    }

    fn new(socket: UnixStream, host_cid: u64, open: Op) -> Connection {
        Connection {
            socket,
            queued: false,
            host_cid,
            established: false,
            pending: Pending { open: Some(open), ..Pending::default() },
            received: 0,
            forwarded: 0,
            forwarded_told: 0,
            backlog: VecDeque::new(),
            guest_shutdown: 0,
            discard: false,
            sent: 0,
            guest_buf_alloc: 0,
            guest_forwarded: 0,
            credit_asked: false,
            readable: false,
            hung_up: false,
            read_closed: false,
            own_shutdown: 0,
        }
    }

    /// The address that the guest knows the host's end by.
    pub fn host_cid(&self) -> u64 {
        self.host_cid
    }

    /// Whether the guest has accepted.
    pub fn is_established(&self) -> bool {
        self.established
    }

    /// Takes note of the guest's buffer space.
    ///
    /// virtio 1.2, 5.10.6.3: "Peer free buffer space is calculated as follows: `tx_cnt` is a free-running counter of transmitted bytes;
    /// `peer_free = peer_buf_alloc - (tx_cnt - peer_fwd_cnt)`". Threads of a guest may queue packets in another order than the one in
    /// which they read its counter, so one that falls back is old and not wrong; one ahead of what was sent is a lie.
    pub fn note_credit(&mut self, header: &Header) -> Result<(), Violation> {
        let outstanding = self.sent.wrapping_sub(self.guest_forwarded);
        let advance = header.fwd_cnt.wrapping_sub(self.guest_forwarded);
        if advance <= outstanding {
            self.guest_forwarded = header.fwd_cnt;
        } else if advance < 1 << 31 {
            return Err(Violation("the guest says it has forwarded bytes that were never sent"));
        }
        self.guest_buf_alloc = header.buf_alloc;
        self.credit_asked &= self.credit() == 0;
        Ok(())
    }

    /// How many bytes the guest has room for.
    pub fn credit(&self) -> u32 {
        self.guest_buf_alloc.saturating_sub(self.sent.wrapping_sub(self.guest_forwarded))
    }

    /// The guest accepted: the host's program may send.
    pub fn establish(&mut self, host_port: u32) -> Result<(), Violation> {
        if self.established || self.pending.open.is_some() {
            return Err(Violation("a response that nobody waits for"));
        }
        self.established = true;
        self.deliver(format!("OK {host_port}\n").as_bytes());
        Ok(())
    }

    /// Passes the guest's data on, or keeps what the host's program does not take yet.
    ///
    /// virtio 1.2, 5.10.6.3.1: "VIRTIO_VSOCK_OP_RW data packets MUST only be transmitted when the peer has sufficient free buffer space
    /// for the payload." The guest knows only of the forwarded bytes that it was told.
    pub fn data_from_guest(&mut self, mut data: Buffers<'_>) -> Result<(), Violation> {
        let len = data.len() as u32;
        if !self.established || self.guest_shutdown & SHUTDOWN_SEND != 0 {
            return Err(Violation("data outside a connection's life"));
        }
        let unacknowledged = self.received.wrapping_sub(self.forwarded_told);
        if len > BUF_ALLOC.saturating_sub(unacknowledged) {
            return Err(Violation("more data than the credit given"));
        }
        self.received = self.received.wrapping_add(len);
        if self.backlog.is_empty() && !self.discard {
            while !data.is_empty() {
                match data.send(self.socket.as_fd()) {
                    Ok(sent) => {
                        self.note_forwarded(sent);
                        data.advance(sent);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => return self.host_reads_no_more(data.len()),
                }
            }
        }
        if self.discard {
            self.note_forwarded(data.len());
            return Ok(());
        }
        let mut chunk = [0; 4096];
        while !data.is_empty() {
            let copied = data.copy_to(&mut chunk);
            self.backlog.extend(chunk.iter().take(copied));
            data.advance(copied);
        }
        Ok(())
    }

    /// Whether data waits for the host's program to read.
    pub fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Passes on what waits, as far as the host's program takes it.
    pub fn flush(&mut self) {
        while !self.backlog.is_empty() {
            let (front, _) = self.backlog.as_slices();
            match nix::sys::socket::send(
                std::os::fd::AsRawFd::as_raw_fd(&self.socket),
                front,
                nix::sys::socket::MsgFlags::MSG_NOSIGNAL | nix::sys::socket::MsgFlags::MSG_DONTWAIT,
            ) {
                Ok(sent) => {
                    self.backlog.drain(..sent);
                    self.note_forwarded(sent);
                }
                Err(nix::errno::Errno::EAGAIN) => return,
                Err(_) => {
                    let lost = self.backlog.len();
                    self.backlog.clear();
                    let _ = self.host_reads_no_more(lost);
                }
            }
        }
        self.finish_writing();
    }
}
