//! Packets that break a rule: a reset, and no more.

use crate::harness::{CID, data, harness, header, op};
use emulator::vsock::backlog::BUF_ALLOC;
use emulator::vsock::packet::{HEADER_SIZE, Header, Op, SHUTDOWN_SEND};
use emulator::vsock::ring::Buffers;
use std::io::Read;

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
