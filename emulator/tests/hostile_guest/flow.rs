//! Data both ways: never more than there is room for, and all of it before an end.

use crate::harness::{data, harness, header, op};
use emulator::vsock::packet::{Header, Op, SHUTDOWN_BOTH};
use std::io::{Read, Write};

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
