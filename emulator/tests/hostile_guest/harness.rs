//! A switch without a machine: the test is its guest, and the host's programs behind it.

use emulator::vsock::dial::{Dial, Dialled, Directory};
use emulator::vsock::listener::Listener;
use emulator::vsock::packet::{HEADER_SIZE, Header, Op, STREAM};
use emulator::vsock::ring::{Buffers, Ring};
use emulator::vsock::switch::Switch;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use tempfile::TempDir;
use virtio_queue::Queue;
use virtio_queue::desc::RawDescriptor;
use virtio_queue::desc::split::Descriptor;
use virtio_queue::mock::MockSplitQueue;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

pub(crate) const CID: u32 = 42;
/// `VIRTQ_DESC_F_WRITE`.
const WRITE: u16 = 2;

/// Answers port 80, and hands the host's ends to the test.
struct Port80(Sender<UnixStream>);

impl Dial for Port80 {
    fn dial(&mut self, _cid: u32, port: u32) -> Dialled {
        if port != 80 {
            return Dialled::Elsewhere;
        }
        let (guest, host) = UnixStream::pair().unwrap();
        self.0.send(host).unwrap();
        Dialled::Connected(guest)
    }
}

pub(crate) struct Harness {
    pub(crate) switch: Switch,
    pub(crate) hosts: Receiver<UnixStream>,
    pub(crate) directory: TempDir,
}

pub(crate) fn harness() -> Harness {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("v");
    let (sender, hosts) = channel();
    let listener = Listener::bind(&path).unwrap();
    let dialler = Box::new(Port80(sender));
    let switch = Switch::new(
        CID,
        listener,
        Directory {
            dialler,
            path,
            hub: None,
        },
    )
    .unwrap();
    Harness {
        switch,
        hosts,
        directory,
    }
}

pub(crate) fn header(op: Op) -> Header {
    Header {
        src_cid: CID.into(),
        dst_cid: 2,
        src_port: 1000,
        dst_port: 80,
        kind: STREAM,
        op: op as u16,
        buf_alloc: 1 << 20,
        ..Header::default()
    }
}

pub(crate) fn data(bytes: usize) -> Header {
    Header {
        len: bytes as u32,
        ..header(Op::ReadWrite)
    }
}

pub(crate) fn op(header: &Header) -> Op {
    Op::from_number(header.op).unwrap()
}

impl Harness {
    /// The guest sends a packet with `len` bytes of data.
    pub(crate) fn send(&mut self, header: Header, len: usize) {
        let mut bytes = header.encode().to_vec();
        bytes.resize(HEADER_SIZE + len, b'.');
        self.switch.take_packet(Buffers::over(&mut bytes));
    }

    /// What the guest receives with `buffers` of 4 KiB to receive it in; at most 60, as the mock's rings of
    /// 128 entries overlap.
    pub(crate) fn receive_in(&mut self, buffers: u16) -> Vec<(Header, usize)> {
        self.switch.poll_host();
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap();
        let mock = MockSplitQueue::new(&memory, 128);
        let buffer = |i| Descriptor::new(0x10000 + u64::from(i) * 4096, 4096, WRITE, 0);
        let descriptors: Vec<RawDescriptor> = (0..buffers).map(|i| buffer(i).into()).collect();
        mock.add_desc_chains(&descriptors, 0).unwrap();
        let mut queue: Queue = mock.create_queue().unwrap();
        while self.switch.give_packets(&mut Ring::new(&mut queue, &memory)) {}
        let filled = mock.used().idx().load();
        let packet = |i: u16| {
            let used = mock.used().ring().ref_at(i.into()).unwrap().load();
            let mut bytes = [0; HEADER_SIZE];
            memory
                .read_slice(&mut bytes, GuestAddress(0x10000 + u64::from(used.id()) * 4096))
                .unwrap();
            (Header::parse(&bytes), used.len() as usize - HEADER_SIZE)
        };
        (0..filled).map(packet).collect()
    }

    pub(crate) fn receive(&mut self) -> Vec<(Header, usize)> {
        self.receive_in(60)
    }

    /// The operations of what the guest receives.
    pub(crate) fn operations(&mut self) -> Vec<Op> {
        self.receive().iter().map(|(header, _)| op(header)).collect()
    }

    /// A connection that the guest made, and its host's end.
    pub(crate) fn connect(&mut self) -> UnixStream {
        self.send(header(Op::Request), 0);
        assert_eq!(self.operations(), [Op::Response]);
        self.hosts.recv().unwrap()
    }
}
