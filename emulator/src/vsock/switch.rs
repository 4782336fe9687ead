//! The table of connections: what the guest sends goes to sockets of the host ([`guest_side`]), and the other way
//! round ([`host_side`]).

mod guest_side;
mod host_side;
mod ports;

use super::connection::{Connection, End};
use super::dial::Directory;
use super::listener::{Knock, Listener};
use super::packet::Header;
use super::ring::Ring;
use super::turn::{give_header, take_header_room, take_turn};
use host_side::FIRST_HOST_PORT;
use ports::Ports;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};

/// The parent instance as enclaves know it; it is also the address that connections of the host come from.
const PARENT_CID: u64 = contract::ports::PARENT_CID as u64;
/// The most connections of one guest, those half made included. With [`super::backlog::BUF_ALLOC`] it
/// bounds the memory of a device.
const MAX_CONNECTIONS: usize = 1024;

/// The connections of one guest.
pub struct Switch {
    cid: u32,
    directory: Directory,
    listener: Listener,
    listening: bool,
    epoll: Epoll,
    connections: HashMap<Ports, Connection>,
    knocks: HashMap<u32, Knock>,
    turns: VecDeque<Ports>,
    resets: VecDeque<Header>,
    next_host_port: u32,
}

impl Switch {
    /// A switch for the guest `cid`: programs of the host come in by `listener`, the guest goes out by
    /// `directory`.
    pub fn new(cid: u32, listener: Listener, directory: Directory) -> io::Result<Switch> {
        let mut switch = Switch {
            cid,
            directory,
            listener,
            listening: false,
            epoll: Epoll::new()?,
            connections: HashMap::new(),
            knocks: HashMap::new(),
            turns: VecDeque::new(),
            resets: VecDeque::new(),
            next_host_port: FIRST_HOST_PORT,
        };
        switch.listen()?;
        Ok(switch)
    }

    /// Readable when [`Switch::poll_host`] has something to do.
    pub fn as_raw_fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }

    /// Whether the guest has packets to come.
    pub fn has_packets(&self) -> bool {
        !self.resets.is_empty() || !self.turns.is_empty()
    }

    /// Puts a connection into the table and watches its socket, which is new to the device or (`Modify`) was
    /// that of a knock.
    fn insert(&mut self, ports: Ports, connection: Connection, how: ControlOperation) {
        if self.watch(how, &connection.socket, ports).is_ok() {
            self.connections.insert(ports, connection);
            self.settle(ports);
        } else {
            self.resets.push_back(connection.reset());
        }
    }

    fn remove(&mut self, ports: Ports) {
        self.connections.remove(&ports);
        // The table has room again; if listening fails now, the next end of a connection tries again.
        let _ = self.listen();
    }

    /// Brings the table up to date with a connection that something happened to.
    fn settle(&mut self, ports: Ports) {
        let Some(connection) = self.connections.get_mut(&ports) else {
            return;
        };
        if let Some(end) = connection.end() {
            if end == End::Reset {
                self.resets.push_back(connection.reset());
            }
            return self.remove(ports);
        }
        if connection.wants_turn() && !connection.queued {
            connection.queued = true;
            self.turns.push_back(ports);
        }
        let backlog = connection.has_backlog();
        if backlog != connection.watching_for_room {
            connection.watching_for_room = backlog;
            let event = watched(ports, backlog);
            let _ = self
                .epoll
                .ctl(ControlOperation::Modify, connection.socket.as_raw_fd(), event);
        }
    }

    fn watch(&self, how: ControlOperation, socket: &UnixStream, ports: Ports) -> io::Result<()> {
        self.epoll.ctl(how, socket.as_raw_fd(), watched(ports, false))
    }

    /// Fills the buffers in the guest's receive ring, and says whether there was anything to fill and
    /// anywhere to put it.
    pub fn give_packets(&mut self, ring: &mut Ring<'_, '_>) -> bool {
        let mut any = false;
        while let Some(reset) = self.resets.front() {
            let Some(chain) = take_header_room(ring) else {
                return any;
            };
            give_header(ring, &chain, reset);
            self.resets.pop_front();
            any = true;
        }
        for _ in 0..self.turns.len() {
            let Some(ports) = self.turns.pop_front() else {
                break;
            };
            let Some(connection) = self.connections.get_mut(&ports) else {
                continue;
            };
            let filled = take_turn(connection, ring);
            connection.queued = false;
            self.settle(ports);
            if !filled {
                // The ring is empty: whoever could not finish is first when there is room.
                if let Some(unfinished) = self.turns.pop_back_if(|last| *last == ports) {
                    self.turns.push_front(unfinished);
                }
                return any;
            }
            any = true;
        }
        any
    }
}

/// Sockets are watched for edges, so that one whose data must wait for the guest does not wake the device
/// again and again.
fn watched(ports: Ports, for_room: bool) -> EpollEvent {
    let mut events = EventSet::IN | EventSet::READ_HANG_UP | EventSet::EDGE_TRIGGERED;
    if for_room {
        events |= EventSet::OUT;
    }
    EpollEvent::new(events, ports.token())
}
