//! Any packets at all.

use crate::harness::{CID, harness};
use emulator::vsock::packet::{Header, STREAM};
use proptest::prelude::*;
use std::io::Write;

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
}
