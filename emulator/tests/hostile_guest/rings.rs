//! The guest's rings: full ones, packets in pieces, and descriptors that are none.

use crate::harness::{data, harness, header};
use emulator::vsock::packet::{HEADER_SIZE, Op};
use emulator::vsock::ring::Ring;
use proptest::prelude::*;
use std::io::Read;
use virtio_queue::desc::RawDescriptor;
use virtio_queue::desc::split::Descriptor;
use virtio_queue::mock::MockSplitQueue;
use virtio_queue::{Queue, QueueT};
use vm_memory::{Address, Bytes, GuestAddress, GuestMemoryMmap};

/// `VIRTQ_DESC_F_NEXT`.
const NEXT: u16 = 1;

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

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
