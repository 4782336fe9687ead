//! Any bytes as the packets of a guest: the switch keeps running.
#![no_main]

use emulator::vsock::dial::{Dial, Dialled, Directory};
use emulator::vsock::listener::Listener;
use emulator::vsock::packet::HEADER_SIZE;
use emulator::vsock::ring::Buffers;
use emulator::vsock::switch::Switch;
use libfuzzer_sys::fuzz_target;
use std::os::unix::net::UnixStream;

/// The guest's address: a byte that a fuzzer finds soon.
const CID: u32 = 5;

/// Answers every port, and hangs up after a while.
struct Everywhere(Option<UnixStream>);

impl Dial for Everywhere {
    fn dial(&mut self, _cid: u32, _port: u32) -> Dialled {
        let (guest, host) = UnixStream::pair().unwrap();
        self.0 = Some(host);
        Dialled::Connected(guest)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("v");
    let listener = Listener::bind(&path).unwrap();
    let directory = Directory { dialler: Box::new(Everywhere(None)), path, hub: None };
    let mut switch = Switch::new(CID, listener, directory).unwrap();
    for packet in bytes.chunks(HEADER_SIZE + 20) {
        if switch.can_take_packets() {
            switch.take_packet(Buffers::over(&mut packet.to_vec()));
        }
        switch.poll_host();
    }
});
