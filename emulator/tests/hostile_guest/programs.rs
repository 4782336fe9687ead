//! Programs of the host that ask for a port of the guest.

use crate::harness::{harness, op};
use emulator::vsock::packet::{Header, Op};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

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
