//! The table of connections: what the guest sends goes to sockets of the host, and the other way round.

use super::connection::{Connection, End, Violation};
use super::dial::Directory;
use super::listener::{Knock, Listener};
use super::packet::{HEADER_SIZE, Header, MAX_DATA, Op, STREAM};
use super::ring::{Buffers, Ring};
use super::turn::{give_header, take_header_room, take_turn};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};

/// `VMADDR_CID_HOST`, the host as vsock programs know it.
const HOST_CID: u64 = 2;
/// The parent instance as enclaves know it; it is also the address that connections of the host come from.
const PARENT_CID: u64 = contract::ports::PARENT_CID as u64;

/// The most connections of one guest, those half made included. With [`super::connection::BUF_ALLOC`] it
/// bounds the memory of a device.
const MAX_CONNECTIONS: usize = 1024;
/// The most resets that wait for the guest to make room before its own packets wait as well.
const MAX_RESETS: usize = 256;
/// Where the ports of the host's own connections begin.
const FIRST_HOST_PORT: u32 = 1 << 30;
/// `VMADDR_PORT_ANY`, which is no port.
const PORT_ANY: u32 = u32::MAX;

/// The two ports of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Ports {
    host: u32,
    guest: u32,
}

/// What a watched socket is: a connection, or (`guest` is [`PORT_ANY`]) a program that has yet to say which
/// port it wants, or the listener.
impl Ports {
    const LISTENER: Ports = Ports {
        host: PORT_ANY,
        guest: PORT_ANY,
    };

    fn token(self) -> u64 {
        u64::from(self.guest) << 32 | u64::from(self.host)
    }

    fn from_token(token: u64) -> Ports {
        Ports {
            host: token as u32,
            guest: (token >> 32) as u32,
        }
    }
}

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

    /// Whether the guest's packets can be taken: not while too many answers to them wait for the guest to
    /// make room.
    ///
    /// virtio 1.2, 5.10.6.1.2: "The tx virtqueue MUST be processed even when the rx virtqueue is full so long
    /// as there are additional resources available to hold packets outside the rx virtqueue."
    pub fn can_take_packets(&self) -> bool {
        self.resets.len() < MAX_RESETS
    }

    /// Whether the guest has packets to come.
    pub fn has_packets(&self) -> bool {
        !self.resets.is_empty() || !self.turns.is_empty()
    }

    /// Takes the packets that the guest put into its transmit ring, and says whether there were any.
    pub fn take_packets(&mut self, ring: &mut Ring<'_, '_>) -> bool {
        let mut any = false;
        while self.can_take_packets()
            && let Some(mut chain) = ring.take_readable(HEADER_SIZE + MAX_DATA)
        {
            let data = std::mem::take(&mut chain.buffers);
            self.take_packet(data);
            ring.give_back(&chain, 0);
            any = true;
        }
        any
    }

    /// Takes one packet of the guest, header and data. One without a whole header is lost.
    pub fn take_packet(&mut self, mut packet: Buffers<'_>) {
        let Some(header) = packet.read::<HEADER_SIZE>() else {
            return;
        };
        let header = Header::parse(&header);
        // virtio 1.2, 5.10.6.4.1: "The guest_cid configuration field MUST be used as the source CID when
        // sending outgoing packets." An answer to another address would not reach who asked.
        if header.src_cid != u64::from(self.cid) {
            return;
        }
        if self.deliver(&header, packet).is_err() {
            self.refuse(&header);
        }
    }

    fn deliver(&mut self, header: &Header, mut data: Buffers<'_>) -> Result<(), Violation> {
        // virtio 1.2, 5.10.6.4.2: "A VIRTIO_VSOCK_OP_RST reply MUST be sent if a packet is received with an
        // unknown type value."
        if header.kind != STREAM {
            return Err(Violation("its socket type is not offered"));
        }
        let op = Op::from_number(header.op).ok_or(Violation("it names no operation"))?;
        let ports = Ports {
            host: header.dst_port,
            guest: header.src_port,
        };
        if op == Op::Request {
            return self.accept_guest(ports, header);
        }
        let connection = self
            .connections
            .get_mut(&ports)
            .filter(|connection| connection.is_addressed_by(header))
            .ok_or(Violation("it fits no connection"))?;
        if op == Op::Reset {
            connection.note_reset();
        } else {
            connection.note_credit(header)?;
        }
        match op {
            Op::Request | Op::Reset | Op::CreditUpdate => {}
            Op::Response => connection.establish()?,
            Op::CreditRequest => connection.tell_credit(),
            Op::Shutdown => connection.note_shutdown(header.flags),
            Op::ReadWrite => {
                if header.len as usize > data.len() {
                    return Err(Violation("its data is shorter than its header says"));
                }
                data.truncate(header.len as usize);
                connection.take_data(data)?;
            }
        }
        self.settle(ports);
        Ok(())
    }

    /// Connects the guest to the port that it asks for.
    fn accept_guest(&mut self, ports: Ports, header: &Header) -> Result<(), Violation> {
        let room = self.connections.len() + self.knocks.len() < MAX_CONNECTIONS;
        let free = room && !self.connections.contains_key(&ports) && ports.guest != PORT_ANY;
        if !free || !matches!(header.dst_cid, HOST_CID | PARENT_CID) {
            return Err(Violation("it asks for a connection that cannot be"));
        }
        let socket = self
            .directory
            .connect(self.cid, ports.host)
            .map_err(|_| Violation("nobody listens on the port it asks for"))?;
        let mut connection = Connection::accepted(socket, header);
        connection.note_credit(header)?;
        self.insert(ports, connection, ControlOperation::Add);
        Ok(())
    }

    /// Answers a packet that broke the rules or fits no connection: the connection it names, if it is one,
    /// ends. A reset is never answered by a reset.
    fn refuse(&mut self, header: &Header) {
        let ports = Ports {
            host: header.dst_port,
            guest: header.src_port,
        };
        if self
            .connections
            .get(&ports)
            .is_some_and(|connection| connection.is_addressed_by(header))
        {
            self.remove(ports);
        }
        if header.op != Op::Reset as u16 {
            self.resets.push_back(header.reset());
        }
    }

    /// Takes what the host's sockets have to say, and says whether there was anything.
    pub fn poll_host(&mut self) -> bool {
        let mut events = [EpollEvent::default(); 64];
        let count = self.epoll.wait(0, &mut events).unwrap_or(0);
        for event in events.iter().take(count) {
            let ports = Ports::from_token(event.data());
            match ports {
                Ports::LISTENER => self.accept_programs(),
                Ports {
                    host: knock,
                    guest: PORT_ANY,
                } => self.hear_knock(knock),
                ports => self.note_event(ports, event.event_set()),
            }
        }
        count > 0
    }

    fn note_event(&mut self, ports: Ports, event: EventSet) {
        let Some(connection) = self.connections.get_mut(&ports) else {
            return;
        };
        connection.note_readable(event.intersects(EventSet::READ_HANG_UP | EventSet::HANG_UP));
        if event.contains(EventSet::HANG_UP) {
            connection.note_hang_up();
        }
        if event.intersects(EventSet::OUT | EventSet::HANG_UP) {
            connection.flush();
        }
        self.settle(ports);
    }

    fn accept_programs(&mut self) {
        while self.connections.len() + self.knocks.len() < MAX_CONNECTIONS {
            match self.listener.accept() {
                Ok(Some(knock)) => {
                    let port = self.next_port(PORT_ANY);
                    let ports = Ports {
                        host: port,
                        guest: PORT_ANY,
                    };
                    if self.watch(ControlOperation::Add, knock.stream(), ports).is_ok() {
                        self.knocks.insert(port, knock);
                    }
                }
                Ok(None) => return,
                Err(_) => break,
            }
        }
        // No room here or in the process: whoever still waits is heard when a connection has ended.
        let event = EpollEvent::new(EventSet::IN, Ports::LISTENER.token());
        self.listening = self
            .epoll
            .ctl(ControlOperation::Delete, self.listener.as_raw_fd(), event)
            .is_err();
    }

    fn listen(&mut self) -> io::Result<()> {
        if !self.listening {
            let event = EpollEvent::new(EventSet::IN, Ports::LISTENER.token());
            self.epoll
                .ctl(ControlOperation::Add, self.listener.as_raw_fd(), event)?;
            self.listening = true;
        }
        Ok(())
    }

    /// A program of the host says which port of the guest it wants.
    fn hear_knock(&mut self, port: u32) {
        let Some(mut knock) = self.knocks.remove(&port) else {
            return;
        };
        let guest_port = match knock.port() {
            Ok(Some(guest_port)) if guest_port != PORT_ANY => guest_port,
            Ok(None) => {
                self.knocks.insert(port, knock);
                return;
            }
            _ => {
                // It is hung up on, and the table has room again.
                let _ = self.listen();
                return;
            }
        };
        let ports = Ports {
            host: self.next_port(guest_port),
            guest: guest_port,
        };
        let address = Header {
            src_cid: PARENT_CID,
            dst_cid: u64::from(self.cid),
            src_port: ports.host,
            dst_port: ports.guest,
            kind: STREAM,
            ..Header::default()
        };
        self.insert(
            ports,
            Connection::requested(knock.into_stream(), address),
            ControlOperation::Modify,
        );
    }

    /// A port of the host that has no connection to `guest`, nor a program waiting.
    fn next_port(&mut self, guest: u32) -> u32 {
        loop {
            let port = self.next_host_port;
            self.next_host_port = if port == PORT_ANY - 1 {
                FIRST_HOST_PORT
            } else {
                port + 1
            };
            if !self.knocks.contains_key(&port)
                && !self.connections.contains_key(&Ports { host: port, guest })
            {
                return port;
            }
        }
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
