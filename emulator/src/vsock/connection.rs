//! One connection between a port of the guest and a socket of the host: what it may send, what it says, its end.

use super::backlog::{BUF_ALLOC, Backlog, send};
use super::credit::Credit;
use super::packet::{Header, Op, SHUTDOWN_BOTH, SHUTDOWN_RECEIVE, SHUTDOWN_SEND};
use super::ring::{self, Buffers};
use super::violation::Violation;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// What a connection has to say to the guest besides data.
#[derive(Debug, Default)]
struct Pending {
    open: Option<Op>,
    credit_update: bool,
    credit_request: bool,
    shutdown: bool,
}

/// A connection. The host's end is a Unix socket that never blocks. All counters are modulo 2^32, as on the
/// wire.
#[derive(Debug)]
pub struct Connection {
    /// The host's end.
    pub socket: UnixStream,
    /// Whether it waits for a turn to send to the guest.
    pub queued: bool,
    /// Whether its socket is watched for room to write.
    pub watching_for_room: bool,
    address: Header,
    established: bool,
    pending: Pending,

    backlog: Backlog,
    guest_shutdown: u32,
    guest_gone: bool,

    credit: Credit,
    credit_asked: bool,
    readable: bool,
    ending: bool,
    hung_up: bool,
    at_end: bool,
    own_shutdown: u32,
}

impl Connection {
    /// One that the guest asked for with `request`, and that `socket` took.
    pub fn accepted(socket: UnixStream, request: &Header) -> Connection {
        let address = Header {
            buf_alloc: BUF_ALLOC,
            ..request.reset()
        };
        let mut connection = Connection::new(socket, address, Op::Response);
        connection.established = true;
        connection
    }

    /// One that a program of the host asks for: `address` has both ends' addresses and the socket type. It is
    /// established when the guest responds.
    pub fn requested(socket: UnixStream, address: Header) -> Connection {
        Connection::new(
            socket,
            Header {
                buf_alloc: BUF_ALLOC,
                ..address
            },
            Op::Request,
        )
    }

    fn new(socket: UnixStream, address: Header, open: Op) -> Connection {
        Connection {
            socket,
            queued: false,
            watching_for_room: false,
            address,
            established: false,
            pending: Pending {
                open: Some(open),
                ..Pending::default()
            },
            backlog: Backlog::default(),
            guest_shutdown: 0,
            guest_gone: false,
            credit: Credit::default(),
            credit_asked: false,
            readable: false,
            ending: false,
            hung_up: false,
            at_end: false,
            own_shutdown: 0,
        }
    }

    /// Whether `header` comes from this connection's guest end and goes to its host end.
    pub fn is_addressed_by(&self, header: &Header) -> bool {
        header.dst_cid == self.address.src_cid && !self.guest_gone
    }

    /// The reset that ends it.
    pub fn reset(&self) -> Header {
        Header {
            op: Op::Reset as u16,
            ..self.address
        }
    }

    /// Takes note of the guest's buffer space.
    pub fn note_credit(&mut self, header: &Header) -> Result<(), Violation> {
        self.credit.note(header)?;
        self.credit_asked &= self.credit.free() == 0;
        Ok(())
    }

    /// The guest accepted: tells the host's program, as Firecracker does.
    pub fn establish(&mut self) -> Result<(), Violation> {
        if self.established || self.pending.open.is_some() {
            return Err(Violation("it responded to no request"));
        }
        self.established = true;
        let word = format!("OK {}\n", self.address.src_port);
        // Nothing was written to this socket before, so there is room; if its program has gone, its hang-up
        // says so.
        let _ = send(&self.socket, word.as_bytes());
        Ok(())
    }

    /// Passes the guest's data on, and keeps what the host's program does not take yet.
    pub fn take_data(&mut self, data: Buffers<'_>) -> Result<(), Violation> {
        if !self.established || self.guest_shutdown & SHUTDOWN_SEND != 0 {
            return Err(Violation("it sent data outside the connection's life"));
        }
        self.backlog.take(data, &self.socket)?;
        self.note_cut_off();
        Ok(())
    }

    /// Whether data waits for the host's program to read.
    pub fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Passes on what waits, as far as the host's program takes it.
    pub fn flush(&mut self) {
        self.backlog.flush(&self.socket);
        self.note_cut_off();
        self.close_writing_if_done();
    }

    /// The guest is told once that the host's program reads no more.
    fn note_cut_off(&mut self) {
        let untold = self.own_shutdown & SHUTDOWN_RECEIVE == 0;
        self.pending.shutdown |= self.backlog.is_cut_off() && untold;
    }

    /// The guest asks for its credit.
    ///
    /// virtio 1.2, 5.10.6.3: "Sending the VIRTIO_VSOCK_OP_CREDIT_REQUEST packet queries how much buffer space
    /// is available. The reply to this query is a VIRTIO_VSOCK_OP_CREDIT_UPDATE packet."
    pub fn tell_credit(&mut self) {
        self.pending.credit_update = true;
    }

    /// The guest will send or receive no more.
    ///
    /// virtio 1.2, 5.10.6.5: "These hints are permanent once sent and successive packets with bits clear do
    /// not reset them."
    pub fn note_shutdown(&mut self, flags: u32) {
        self.guest_shutdown |= flags & SHUTDOWN_BOTH;
        if self.guest_shutdown & SHUTDOWN_RECEIVE != 0 {
            let _ = self.socket.shutdown(Shutdown::Read);
        }
        self.close_writing_if_done();
    }

    /// The guest reset the connection. What it sent before an orderly shutdown is still the host's to read.
    pub fn note_reset(&mut self) {
        self.guest_gone = true;
        if self.guest_shutdown & SHUTDOWN_SEND == 0 {
            self.backlog.clear();
        }
        self.guest_shutdown = SHUTDOWN_BOTH;
        self.pending = Pending::default();
    }

    fn close_writing_if_done(&mut self) {
        if self.guest_shutdown & SHUTDOWN_SEND != 0 && self.backlog.is_empty() {
            let _ = self.socket.shutdown(Shutdown::Write);
        }
    }

    /// The host's end has something to read: data, or (`ending`) perhaps data and then certainly its end.
    pub fn note_readable(&mut self, ending: bool) {
        self.readable = true;
        self.ending |= ending;
    }

    /// The host's program closed both directions: what it wrote before is still the guest's to read.
    pub fn note_hang_up(&mut self) {
        self.hung_up = true;
        if self.guest_shutdown & SHUTDOWN_RECEIVE != 0 {
            self.at_end = true;
        }
        self.pending.shutdown |= self.at_end;
    }

    /// Whether it is over, and if so whether the guest must be told by a reset.
    ///
    /// virtio 1.2, 5.10.6.5: "Clean disconnect is achieved by one or more VIRTIO_VSOCK_OP_SHUTDOWN packets
    /// that indicate no more data will be sent and received, followed by a VIRTIO_VSOCK_OP_RST response from
    /// the peer." A guest that was sent them may respond when it likes, or never: the connection is forgotten
    /// here, its host port is not used again soon, and a reset that fits no connection is ignored.
    pub fn end(&self) -> Option<End> {
        if self.guest_gone {
            return self.backlog.is_empty().then_some(End::Silent);
        }
        if self.own_shutdown == SHUTDOWN_BOTH || (self.hung_up && self.pending.open == Some(Op::Request)) {
            return Some(End::Silent);
        }
        let refused = self.hung_up && !self.established;
        let closed = self.guest_shutdown == SHUTDOWN_BOTH && self.backlog.is_empty();
        (refused || closed).then_some(End::Reset)
    }

    /// Whether it has anything for the guest now.
    pub fn wants_turn(&self) -> bool {
        self.has_control() || self.may_read()
    }

    /// Whether it has a packet without data for the guest now.
    pub fn has_control(&self) -> bool {
        let Pending {
            open,
            credit_update,
            credit_request,
            shutdown,
        } = self.pending;
        let credit_update = credit_update || self.backlog.is_update_due();
        !self.guest_gone && (open.is_some() || credit_update || credit_request || shutdown)
    }

    /// The next packet without data; a plain credit update if there was none.
    pub fn next_control(&mut self) -> Header {
        let mut flags = 0;
        let op = if let Some(open) = self.pending.open.take() {
            open
        } else if std::mem::take(&mut self.pending.credit_request) {
            Op::CreditRequest
        } else if std::mem::take(&mut self.pending.shutdown) {
            if self.at_end {
                flags |= SHUTDOWN_SEND;
            }
            if self.hung_up || self.backlog.is_cut_off() {
                flags |= SHUTDOWN_RECEIVE;
            }
            self.own_shutdown |= flags;
            Op::Shutdown
        } else {
            Op::CreditUpdate
        };
        Header {
            flags,
            ..self.header(op, 0)
        }
    }

    /// A header of this connection. Whichever it is, it tells the guest its credit.
    ///
    /// virtio 1.2, 5.10.6.3.2: "All packets associated with a stream flow MUST contain valid information in
    /// buf_alloc and fwd_cnt fields."
    fn header(&mut self, op: Op, len: u32) -> Header {
        self.pending.credit_update = false;
        Header {
            op: op as u16,
            len,
            fwd_cnt: self.backlog.tell(),
            ..self.address
        }
    }

    fn may_read(&self) -> bool {
        let open = self.established && self.pending.open.is_none() && !self.at_end;
        open && self.readable
            && self.guest_shutdown & SHUTDOWN_RECEIVE == 0
            && (self.credit.free() > 0 || !self.credit_asked)
    }

    /// How many bytes may be read for the guest now. Without credit none, and then the guest is asked for
    /// some, once.
    pub fn readable_now(&mut self) -> u32 {
        if !self.may_read() {
            return 0;
        }
        let credit = self.credit.free();
        if credit == 0 {
            self.credit_asked = true;
            self.pending.credit_request = true;
        }
        credit
    }

    /// Reads into the buffers one after the other, and says how many bytes; 0 when there is nothing now, or
    /// nothing more at all.
    pub fn read<'a, 'm: 'a>(
        &mut self,
        buffers: impl IntoIterator<Item = &'a Buffers<'m>>,
        room: usize,
    ) -> usize {
        match ring::receive(self.socket.as_fd(), buffers) {
            Ok(read) if read > 0 => {
                // Less than there was room for is all there was. An end that comes from now on is an event of
                // its own.
                self.readable = read == room || self.ending;
                read
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                0
            }
            _ => {
                self.at_end = true;
                self.pending.shutdown = true;
                0
            }
        }
    }

    /// The header before `len` bytes of data that the guest is sent.
    pub fn data_header(&mut self, len: u32) -> Header {
        self.credit.spend(len);
        self.header(Op::ReadWrite, len)
    }
}

/// How a connection leaves the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The guest knows, or never knew of it.
    Silent,
    /// The guest is sent a reset.
    Reset,
}
