//! Reading ahead: a layer is decompressed on a thread of its own while what came before is summed and put into the spool.
use std::{
    io::{self, Read},
    mem,
    panic::resume_unwind,
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread::{self, Builder},
};

/// How much is handed over at once, in bytes.
const PIECE: usize = 1 << 17;
/// How many pieces may wait, so that memory stays flat.
const WAITING: usize = 8;

/// What is read ahead, in its order; an error comes where it happened.
pub(super) struct Ahead {
    pieces: Receiver<io::Result<Piece>>,
    piece: Piece,
    /// How much of the piece was read.
    read: usize,
    returning: Sender<Vec<u8>>,
}

struct Piece {
    buffer: Vec<u8>,
    length: usize,
}

/// Has `take` read `reader`, which is read ahead on another thread until its end, its first error, or `take`'s return. It
/// fails where there can be no more threads.
pub(super) fn reading_ahead<T>(
    reader: impl Read + Send,
    take: impl FnOnce(&mut Ahead) -> T,
) -> io::Result<T> {
    let (sending, pieces) = sync_channel(WAITING);
    let (returning, spare) = channel();
    thread::scope(|scope| {
        let making = Builder::new()
            .name("reading ahead".into())
            .spawn_scoped(scope, move || make(reader, &sending, &spare))?;
        let mut ahead = Ahead {
            pieces,
            // Read to its end, and the first buffer that goes back.
            piece: Piece {
                buffer: vec![0; PIECE],
                length: 0,
            },
            read: 0,
            returning,
        };
        let result = take(&mut ahead);
        // Nobody listens any more: the thread ends with the piece that it is at.
        drop(ahead);
        making.join().unwrap_or_else(|panic| resume_unwind(panic));
        Ok(result)
    })
}

fn make(mut reader: impl Read, sending: &SyncSender<io::Result<Piece>>, spare: &Receiver<Vec<u8>>) {
    loop {
        let mut buffer = spare.try_recv().unwrap_or_else(|_| vec![0; PIECE]);
        let (length, more) = fill(&mut reader, &mut buffer);
        if sending.send(Ok(Piece { buffer, length })).is_err() {
            return;
        }
        match more {
            Ok(true) => {}
            Ok(false) => return,
            // Its receiver stops at the first.
            Err(error) => return drop(sending.send(Err(error))),
        }
    }
}

/// Fills a buffer: how much of it there was, and whether there may be more.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> (usize, io::Result<bool>) {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(buffer.get_mut(length..).unwrap_or_default()) {
            Ok(0) => return (length, Ok(false)),
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (length, Err(error)),
        }
    }
    (length, Ok(true))
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.piece.length {
            let Ok(next) = self.pieces.recv() else {
                return Ok(0);
            };
            let passed = mem::replace(&mut self.piece, next?);
            self.read = 0;
            // Where nothing is made any more, it is dropped.
            let _ = self.returning.send(passed.buffer);
        }
        let left = self.piece.buffer.get(self.read..self.piece.length);
        let count = left.unwrap_or_default().read(buffer)?;
        self.read += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives `bytes` in reads of `step` bytes, then fails or ends.
    struct Steps<'a> {
        bytes: &'a [u8],
        step: usize,
        fails: bool,
    }

    impl Read for Steps<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.bytes.is_empty() && self.fails {
                return Err(io::Error::other("the end of the line"));
            }
            let most = self.step.min(buffer.len());
            self.bytes.read(&mut buffer[..most])
        }
    }

    proptest! {
        #[test]
        fn all_is_read_in_its_order_and_an_error_where_it_happened(
            seed in any::<u32>(),
            size in 0..4 * PIECE,
            step in 1..2 * PIECE,
            fails in any::<bool>(),
        ) {
            let bytes: Vec<u8> = (0..size as u32).map(|n| (n.wrapping_mul(seed | 1) >> 13) as u8).collect();
            let steps = Steps { bytes: &bytes, step: step.max(64), fails };
            let (read, end) = reading_ahead(steps, |ahead| {
                let mut read = Vec::new();
                let end = ahead.read_to_end(&mut read);
                (read, end)
            })
            .unwrap();
            prop_assert!(read == bytes);
            prop_assert_eq!(end.is_err(), fails);
        }
    }

    #[test]
    fn nothing_is_read_for_ever_when_nobody_listens() {
        let first = reading_ahead(io::repeat(7), |ahead| {
            let mut first = [0; 3];
            ahead.read_exact(&mut first).map(|()| first)
        });
        assert_eq!(first.unwrap().unwrap(), [7; 3]);
    }

    #[test]
    fn no_more_is_read_than_may_wait() {
        let mut reader = CountingReader(0);
        reading_ahead(&mut reader, |ahead| {
            ahead.read_exact(&mut [0; 3]).unwrap();
            thread::sleep(std::time::Duration::from_millis(50));
        })
        .unwrap();
        assert!(reader.0 <= (WAITING + 3) * PIECE, "{}", reader.0);
    }

    struct CountingReader(usize);

    impl Read for CountingReader {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += buffer.len();
            Ok(buffer.len())
        }
    }
}
