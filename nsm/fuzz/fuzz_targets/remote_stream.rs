//! Any bytes as what a peer sends: to a server as requests, to a client as answers.
#![no_main]

use std::io::{self, Read, Write};

use libfuzzer_sys::fuzz_target;
use nsm::{Error, Nsm, Remote, serve};

/// A stream that gives these bytes and swallows what is written.
struct Peer<'a>(&'a [u8]);

impl Read for Peer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Peer<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A module that answers with the request itself.
struct Echo;

impl Nsm for Echo {
    fn process(&mut self, request: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(request.to_vec())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let _ = serve(&mut Peer(bytes), &mut Echo);
    let mut remote = Remote::new(Peer(bytes));
    let _ = remote.describe_nsm();
    let _ = remote.describe_pcr(0);
    let _ = remote.get_random();
    let _ = remote.attestation(Default::default());
});
