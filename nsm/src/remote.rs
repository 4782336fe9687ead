//! The NSM over a byte stream, vsock in practice. Each message is a frame: a big-endian u32 length, then the
//! CBOR that the device takes or gives. Request and response alternate.

use std::io::{self, Read, Write};

use crate::wire::{REQUEST, RESPONSE};
use crate::{Error, Nsm, frame};

/// A secure module at the other end of a stream.
///
/// The caller opens the stream and sets its time limits. After an error the stream is dropped, since a late
/// answer would be taken for the next one's: every later request gets [`Error::Closed`].
#[derive(Debug)]
pub struct Remote<S> {
    stream: Option<S>,
}

impl<S: Read + Write + Send> Remote<S> {
    /// The module that `stream` leads to.
    pub fn new(stream: S) -> Self {
        Self { stream: Some(stream) }
    }
}

impl<S: Read + Write + Send> Nsm for Remote<S> {
    fn process(&mut self, request: &[u8]) -> Result<Vec<u8>, Error> {
        REQUEST.check_length(request.len())?;
        let mut stream = self.stream.take().ok_or(Error::Closed)?;
        frame::write(&mut stream, REQUEST, request)?;
        let response = frame::read(&mut stream, RESPONSE)?
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        self.stream = Some(stream);
        Ok(response)
    }
}

/// Answers the requests on `stream` from `nsm`, until the peer ends the stream between two requests. The
/// caller sets the stream's time limits. A peer that breaks the framing, or a module that fails, ends it with
/// an error.
pub fn serve(stream: &mut (impl Read + Write), nsm: &mut dyn Nsm) -> Result<(), Error> {
    while let Some(request) = frame::read(stream, REQUEST)? {
        let response = nsm.process(&request)?;
        frame::write(stream, RESPONSE, &response)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::thread;

    /// A module that answers with the request itself.
    struct Echo;

    impl Nsm for Echo {
        fn process(&mut self, request: &[u8]) -> Result<Vec<u8>, Error> {
            Ok(request.to_vec())
        }
    }

    #[test]
    fn requests_and_answers_travel_whole() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let server = thread::spawn(move || serve(&mut far, &mut Echo));
        let mut remote = Remote::new(near);
        assert!(
            matches!(remote.process(&[0; 4097]), Err(Error::TooLong { .. })),
            "not sent, nothing lost"
        );
        for length in [0, 1, 255, 256, 4096] {
            let request = vec![0x5a; length];
            assert_eq!(remote.process(&request).unwrap(), request);
        }
        drop(remote);
        server.join().unwrap().unwrap();
    }

    #[test]
    fn a_peer_that_announces_too_much_is_cut_off() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        near.write_all(&4097_u32.to_be_bytes()).unwrap();
        assert!(matches!(
            serve(&mut far, &mut Echo),
            Err(Error::TooLong { what: "request", .. })
        ));

        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(&12289_u32.to_be_bytes()).unwrap();
        assert!(matches!(
            Remote::new(near).process(b"x"),
            Err(Error::TooLong { what: "response", .. })
        ));
    }

    #[test]
    fn after_a_failed_exchange_nothing_is_read_from_the_stream() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut remote = Remote::new(near);
        far.write_all(&u32::MAX.to_be_bytes()).unwrap();
        far.write_all(b"\0\0\0\x01x").unwrap();
        assert!(matches!(remote.process(b"first"), Err(Error::TooLong { .. })));
        assert!(matches!(remote.process(b"second"), Err(Error::Closed)));
    }

    #[test]
    fn a_module_that_goes_away_is_an_error() {
        let (near, far) = UnixStream::pair().unwrap();
        drop(far);
        assert!(matches!(Remote::new(near).process(b"x"), Err(Error::Stream(_))));
    }
}
