//! A guest that breaks every rule, against the switch and the rings, without a machine.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by them"
)]

use emulator::vsock::connection::BUF_ALLOC;
use emulator::vsock::dial::{Dial, Dialled, Directory};
use emulator::vsock::listener::Listener;
use emulator::vsock::packet::{HEADER_SIZE, Header, Op, SHUTDOWN_BOTH, SHUTDOWN_SEND, STREAM};
use emulator::vsock::ring::{Buffers, Ring};
use emulator::vsock::switch::Switch;
use proptest::prelude::*;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use tempfile::TempDir;
use virtio_queue::desc::RawDescriptor;
use virtio_queue::desc::split::Descriptor;
use virtio_queue::mock::MockSplitQueue;
use virtio_queue::{Queue, QueueT};
use vm_memory::{Address, Bytes, GuestAddress, GuestMemoryMmap};

const CID: u32 = 42;
const NEXT: u16 = 1;
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

struct Harness {
    switch: Switch,
    hosts: Receiver<UnixStream>,
    directory: TempDir,
}

fn harness() -> Harness {
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

fn header(op: Op) -> Header {
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

fn data(bytes: usize) -> Header {
    Header {
        len: bytes as u32,
        ..header(Op::ReadWrite)
    }
}

fn op(header: &Header) -> Op {
    Op::from_number(header.op).unwrap()
}

impl Harness {
    /// The guest sends a packet with `len` bytes of data.
    fn send(&mut self, header: Header, len: usize) {
        let mut bytes = header.encode().to_vec();
        bytes.resize(HEADER_SIZE + len, b'.');
        self.switch.take_packet(Buffers::over(&mut bytes));
    }

    /// What the guest receives with `buffers` of 4 KiB to receive it in; at most 60, as the mock's rings of
    /// 128 entries overlap.
    fn receive_in(&mut self, buffers: u16) -> Vec<(Header, usize)> {
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

    fn receive(&mut self) -> Vec<(Header, usize)> {
        self.receive_in(60)
    }

    /// The operations of what the guest receives.
    fn operations(&mut self) -> Vec<Op> {
        self.receive().iter().map(|(header, _)| op(header)).collect()
    }

    /// A connection that the guest made, and its host's end.
    fn connect(&mut self) -> UnixStream {
        self.send(header(Op::Request), 0);
        assert_eq!(self.operations(), [Op::Response]);
        self.hosts.recv().unwrap()
    }
}

#[test]
fn the_host_answers_from_the_address_that_was_dialled() {
    for dst_cid in [2, 3] {
        let mut harness = harness();
        harness.send(
            Header {
                dst_cid,
                ..header(Op::Request)
            },
            0,
        );
        let answers = harness.receive();
        let [(answer, 0)] = answers[..] else {
            panic!("{answers:?}")
        };
        assert_eq!(
            (op(&answer), answer.src_cid, answer.dst_cid),
            (Op::Response, dst_cid, CID.into())
        );
        assert_eq!(
            (answer.src_port, answer.dst_port, answer.buf_alloc),
            (80, 1000, BUF_ALLOC)
        );
    }
}

#[test]
fn what_fits_no_connection_is_reset() {
    let mut harness = harness();
    for packet in [
        data(0),
        header(Op::Response),
        header(Op::Shutdown),
        header(Op::CreditUpdate),
        header(Op::CreditRequest),
        Header {
            dst_port: 81,
            ..header(Op::Request)
        },
        Header {
            dst_cid: 4,
            ..header(Op::Request)
        },
        Header {
            src_port: u32::MAX,
            ..header(Op::Request)
        },
        Header {
            fwd_cnt: 1,
            ..header(Op::Request)
        },
        Header {
            kind: 2,
            ..header(Op::Request)
        },
        Header { op: 0, ..data(0) },
        Header { op: 8, ..data(0) },
    ] {
        harness.send(packet, 0);
        let answers = harness.receive();
        let [(answer, 0)] = answers[..] else {
            panic!("{packet:?}: {answers:?}")
        };
        assert_eq!(answer, packet.reset());
    }
}

#[test]
fn resets_foreign_sources_and_fragments_are_not_answered() {
    let mut harness = harness();
    harness.send(header(Op::Reset), 0);
    harness.send(
        Header {
            src_cid: 43,
            ..header(Op::Request)
        },
        0,
    );
    harness
        .switch
        .take_packet(Buffers::over(&mut [0; HEADER_SIZE - 1]));
    assert_eq!(harness.operations(), []);
}

#[test]
fn a_rule_broken_within_a_connection_ends_it() {
    let lies: [(Header, usize); 6] = [
        (data(11), 10),
        (data(BUF_ALLOC as usize + 1), BUF_ALLOC as usize + 1),
        (
            Header {
                fwd_cnt: 5,
                ..header(Op::CreditUpdate)
            },
            0,
        ),
        (header(Op::Response), 0),
        (header(Op::Request), 0),
        (Header { op: 99, ..data(0) }, 0),
    ];
    for (packet, len) in lies {
        let mut harness = harness();
        let mut host = harness.connect();
        harness.send(packet, len);
        assert_eq!(harness.operations(), [Op::Reset], "{packet:?}");
        assert_eq!(host.read(&mut [0; 10]).unwrap(), 0);
    }
}

#[test]
fn data_behind_a_shutdown_is_a_fault_and_other_packets_are_not() {
    let mut harness = harness();
    let _host = harness.connect();
    harness.send(
        Header {
            flags: SHUTDOWN_SEND,
            ..header(Op::Shutdown)
        },
        0,
    );
    harness.send(header(Op::CreditRequest), 0);
    assert_eq!(harness.operations(), [Op::CreditUpdate]);
    harness.send(data(1), 1);
    assert_eq!(harness.operations(), [Op::Reset]);
}

#[test]
fn a_guest_gets_no_more_than_its_credit() {
    let mut harness = harness();
    let mut host = harness.connect();
    harness.send(
        Header {
            buf_alloc: 5000,
            ..header(Op::CreditUpdate)
        },
        0,
    );
    host.write_all(&[0; 20_000]).unwrap();
    let got = harness.receive();
    assert_eq!(got.iter().map(|(_, len)| len).sum::<usize>(), 5000);
    assert_eq!(
        got.iter()
            .filter(|(header, _)| op(header) == Op::CreditRequest)
            .count(),
        1
    );
    harness.send(
        Header {
            buf_alloc: 5000,
            fwd_cnt: 3000,
            ..header(Op::CreditUpdate)
        },
        0,
    );
    assert_eq!(harness.receive().iter().map(|(_, len)| len).sum::<usize>(), 3000);
    // An older counter takes nothing back, and a smaller buffer is no lie.
    harness.send(
        Header {
            buf_alloc: 100,
            fwd_cnt: 2000,
            ..header(Op::CreditUpdate)
        },
        0,
    );
    assert_eq!(harness.operations(), []);
}

#[test]
fn a_guest_that_sends_on_while_nobody_reads_is_reset() {
    let mut harness = harness();
    let _host = harness.connect();
    let mut taken = 0;
    // The socket's own buffer takes some, and ours the rest.
    loop {
        harness.send(data(32 * 1024), 32 * 1024);
        if harness.operations().contains(&Op::Reset) {
            return;
        }
        taken += 32 * 1024;
        assert!(taken < 4 << 20, "nobody reads, and the guest may send on");
    }
}

#[test]
fn credit_comes_back_as_the_host_reads() {
    let mut harness = harness();
    let mut host = harness.connect();
    let mut forwarded = 0;
    for _ in 0..64 {
        harness.send(data(64 * 1024), 64 * 1024);
        host.read_exact(&mut vec![0; 64 * 1024]).unwrap();
        forwarded = harness
            .receive()
            .iter()
            .map(|(header, _)| header.fwd_cnt)
            .max()
            .unwrap_or(forwarded);
    }
    assert_eq!(forwarded, 64 * 64 * 1024);
}

#[test]
fn a_clean_end_is_answered_once_the_host_has_everything() {
    let mut harness = harness();
    let mut host = harness.connect();
    harness.send(data(100_000), 100_000);
    harness.send(data(100_000), 100_000);
    harness.send(
        Header {
            flags: SHUTDOWN_BOTH,
            ..header(Op::Shutdown)
        },
        0,
    );
    let mut heard = 0;
    while heard < 200_000 {
        harness.receive();
        heard += host.read(&mut [0; 50_000]).unwrap();
    }
    harness.receive();
    assert_eq!(host.read(&mut [0; 1]).unwrap(), 0);
    harness.send(data(1), 1);
    assert_eq!(harness.operations(), [Op::Reset], "the connection is gone");
}

#[test]
fn a_host_that_leaves_is_announced_behind_its_data() {
    let mut harness = harness();
    let mut host = harness.connect();
    host.write_all(&[1; 10_000]).unwrap();
    drop(host);
    let got = harness.receive();
    assert_eq!(got.iter().map(|(_, len)| len).sum::<usize>(), 10_000);
    let (last, _) = got.last().unwrap();
    assert_eq!((op(last), last.flags), (Op::Shutdown, SHUTDOWN_BOTH));
}

#[test]
fn a_guest_that_takes_no_answers_is_not_listened_to() {
    let mut harness = harness();
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap();
    let mut taken = 0;
    for _ in 0..10 {
        let mock = MockSplitQueue::new(&memory, 128);
        memory
            .write_slice(&data(0).encode(), GuestAddress(0x10000))
            .unwrap();
        let descriptors = vec![RawDescriptor::from(Descriptor::new(0x10000, HEADER_SIZE as u32, 0, 0)); 60];
        mock.add_desc_chains(&descriptors, 0).unwrap();
        let mut queue: Queue = mock.create_queue().unwrap();
        harness.switch.take_packets(&mut Ring::new(&mut queue, &memory));
        taken += queue.next_avail();
    }
    assert!(!harness.switch.can_take_packets());
    assert_eq!(taken, 256);
    assert_eq!(harness.receive().len(), 60);
    assert!(harness.switch.can_take_packets());
}

#[test]
fn a_packet_may_lie_in_any_number_of_pieces() {
    let mut harness = harness();
    let mut host = harness.connect();
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap();
    let mock = MockSplitQueue::new(&memory, 128);
    let mut packet = data(60).encode().to_vec();
    packet.extend(0..60);
    let pieces = packet.chunks(7).enumerate().map(|(i, piece)| {
        let address = GuestAddress(0x10000 + i as u64 * 100);
        memory.write_slice(piece, address).unwrap();
        let flags = if (i + 1) * 7 < packet.len() { NEXT } else { 0 };
        RawDescriptor::from(Descriptor::new(
            address.raw_value(),
            piece.len() as u32,
            flags,
            i as u16 + 1,
        ))
    });
    mock.add_desc_chains(&pieces.collect::<Vec<_>>(), 0).unwrap();
    let mut queue: Queue = mock.create_queue().unwrap();
    assert!(harness.switch.take_packets(&mut Ring::new(&mut queue, &memory)));
    let mut heard = [0; 60];
    host.read_exact(&mut heard).unwrap();
    assert!(heard.iter().copied().eq(0..60));
}

#[test]
fn a_program_that_knocks_wrongly_is_hung_up_on() {
    let mut harness = harness();
    let path = harness.directory.path().join("v");
    for words in [
        "CONNECT x\n",
        "GET / HTTP/1.1\r\n",
        "CONNECT 4294967296\n",
        "a line without an end, and long at that",
    ] {
        let mut program = UnixStream::connect(&path).unwrap();
        program.write_all(words.as_bytes()).unwrap();
        assert_eq!(harness.operations(), [], "{words}");
        harness.receive();
        // Words that were never read make it a reset.
        assert!(matches!(program.read(&mut [0; 1]), Ok(0) | Err(_)), "{words}");
    }
    let mut program = UnixStream::connect(&path).unwrap();
    program.write_all(b"CONNECT 7").unwrap();
    assert_eq!((harness.operations(), harness.operations()), (vec![], vec![]));
    program.write_all(b"7\nfirst data").unwrap();
    let requests = harness.receive();
    let [(request, 0)] = requests[..] else {
        panic!("{requests:?}")
    };
    assert_eq!(
        (op(&request), request.dst_port, request.src_cid),
        (Op::Request, 77, 3)
    );
    harness.send(
        Header {
            op: Op::Response as u16,
            buf_alloc: 1000,
            ..request.reset()
        },
        0,
    );
    let first = harness.receive();
    assert_eq!((first[0].1, op(&first[0].0)), (10, Op::ReadWrite));
    let mut answer = [0; 14];
    let heard = program.read(&mut answer).unwrap();
    assert_eq!(&answer[..heard], format!("OK {}\n", request.src_port).as_bytes());
}

fn any_header() -> impl Strategy<Value = Header> {
    let cid = prop_oneof![8 => Just(u64::from(CID)), 1 => any::<u64>()];
    let dst = prop_oneof![4 => 2u64..4, 1 => any::<u64>()];
    let port = prop_oneof![9 => 1000u32..1003, 1 => any::<u32>()];
    let dst_port = prop_oneof![9 => Just(80u32), 1 => any::<u32>()];
    let len = prop_oneof![4 => 0u32..70_000, 1 => any::<u32>()];
    let count = prop_oneof![4 => Just(0u32), 1 => any::<u32>()];
    let rest = (
        0u16..9,
        prop_oneof![9 => Just(STREAM), 1 => any::<u16>()],
        0u32..5,
        any::<u32>(),
        count,
    );
    (cid, dst, port, dst_port, len, rest).prop_map(|(src_cid, dst_cid, src_port, dst_port, len, rest)| {
        let (op, kind, flags, buf_alloc, fwd_cnt) = rest;
        Header {
            src_cid,
            dst_cid,
            src_port,
            dst_port,
            len,
            kind,
            op,
            flags,
            buf_alloc,
            fwd_cnt,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_packets_break_the_switch(packets in proptest::collection::vec((any_header(), 0usize..70_000, 0u16..5), 1..60)) {
        let mut harness = harness();
        for (header, len, buffers) in packets {
            harness.send(header, len);
            for host in harness.hosts.try_iter().collect::<Vec<_>>() {
                let _ = (&host).write_all(&vec![0; len / 2]);
            }
            harness.receive_in(buffers);
        }
    }

    #[test]
    fn no_descriptors_break_the_rings(
        descriptors in proptest::collection::vec((0u64..0x40_0000, any::<u32>(), 0u16..8, 0u16..40), 1..32),
        available in any::<u16>(),
    ) {
        let mut harness = harness();
        harness.send(header(Op::Request), 0);
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap();
        let mock = MockSplitQueue::new(&memory, 32);
        let descriptors = descriptors.into_iter().map(|(at, len, flags, next)| RawDescriptor::from(Descriptor::new(at, len, flags, next)));
        mock.add_desc_chains(&descriptors.collect::<Vec<_>>(), 0).unwrap();
        if available % 4 == 0 {
            mock.avail().idx().store(available);
        }
        let mut queue: Queue = mock.create_queue().unwrap();
        harness.switch.take_packets(&mut Ring::new(&mut queue, &memory));
        let mut queue: Queue = mock.create_queue().unwrap();
        harness.switch.give_packets(&mut Ring::new(&mut queue, &memory));
    }
}
