//! What the guest sends: its packets, judged and passed on to the connections that they name.

use super::ports::{PORT_ANY, Ports};
use super::{MAX_CONNECTIONS, PARENT_CID, Switch};
use crate::vsock::connection::Connection;
use crate::vsock::packet::{HEADER_SIZE, Header, MAX_DATA, Op, STREAM};
use crate::vsock::ring::{Buffers, Ring};
use crate::vsock::violation::Violation;
use vmm_sys_util::epoll::ControlOperation;

/// `VMADDR_CID_HOST`, the host as vsock programs know it.
const HOST_CID: u64 = 2;
/// The most resets that wait for the guest to make room before its own packets wait as well.
const MAX_RESETS: usize = 256;

impl Switch {
    /// Whether the guest's packets can be taken: not while too many answers to them wait for the guest to
    /// make room.
    ///
    /// virtio 1.2, 5.10.6.1.2: "The tx virtqueue MUST be processed even when the rx virtqueue is full so long
    /// as there are additional resources available to hold packets outside the rx virtqueue."
    pub fn can_take_packets(&self) -> bool {
        self.resets.len() < MAX_RESETS
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
}
