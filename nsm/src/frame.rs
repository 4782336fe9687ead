//! Messages on a byte stream: a big-endian u32 length, then that many bytes.

use std::io::{self, Read, Write};

use crate::Error;
use crate::wire::Kind;

/// The next message; `None` where the sender ended the stream before one began.
pub(crate) fn read(stream: &mut impl Read, kind: Kind) -> Result<Option<Vec<u8>>, Error> {
    let mut header = Vec::with_capacity(4);
    stream.by_ref().take(4).read_to_end(&mut header)?;
    let length = match <[u8; 4]>::try_from(header.as_slice()) {
        Ok(header) => u32::from_be_bytes(header) as usize,
        Err(_) if header.is_empty() => return Ok(None),
        Err(_) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
    };
    kind.check_length(length)?;
    let mut message = vec![0; length];
    stream.read_exact(&mut message)?;
    Ok(Some(message))
}

/// Sends a message, header and body in one write so that they travel in one packet.
pub(crate) fn write(stream: &mut impl Write, kind: Kind, message: &[u8]) -> Result<(), Error> {
    kind.check_length(message.len())?;
    let frame = [&(message.len() as u32).to_be_bytes(), message].concat();
    stream.write_all(&frame)?;
    stream.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{REQUEST, RESPONSE};
    use proptest::prelude::*;

    #[test]
    fn a_frame_is_a_big_endian_length_and_the_message() {
        let mut stream = Vec::new();
        write(&mut stream, REQUEST, b"abc").unwrap();
        assert_eq!(stream, b"\0\0\0\x03abc");
    }

    #[test]
    fn only_an_end_between_frames_is_an_end() {
        assert!(matches!(read(&mut &b""[..], REQUEST), Ok(None)));
        assert!(matches!(read(&mut &b"\0\0"[..], REQUEST), Err(Error::Stream(_))));
        assert!(matches!(
            read(&mut &b"\0\0\0\x03ab"[..], REQUEST),
            Err(Error::Stream(_))
        ));
    }

    #[test]
    fn lengths_are_bounded_both_ways() {
        let announced = |length: u32, kind| read(&mut &length.to_be_bytes()[..], kind);
        assert!(matches!(
            announced(4097, REQUEST),
            Err(Error::TooLong { length: 4097, .. })
        ));
        assert!(matches!(
            announced(u32::MAX, RESPONSE),
            Err(Error::TooLong { .. })
        ));
        assert!(
            matches!(announced(12288, RESPONSE), Err(Error::Stream(_))),
            "allowed, but nothing follows"
        );
        assert!(matches!(
            write(&mut Vec::new(), REQUEST, &[0; 4097]),
            Err(Error::TooLong { .. })
        ));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(messages: Vec<Vec<u8>>) {
            let mut stream = Vec::new();
            for message in &messages {
                write(&mut stream, RESPONSE, message).unwrap();
            }
            let mut stream = stream.as_slice();
            for message in &messages {
                let read = read(&mut stream, RESPONSE).unwrap();
                prop_assert_eq!(read.as_ref(), Some(message));
            }
            prop_assert!(read(&mut stream, RESPONSE).unwrap().is_none());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let mut stream = bytes.as_slice();
            while let Ok(Some(message)) = read(&mut stream, REQUEST) {
                prop_assert!(message.len() <= bytes.len());
            }
        }
    }
}
