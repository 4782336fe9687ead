//! The guest's serial console: its first and its last bytes.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many of the first bytes are kept, and how many of the last.
const KEPT: usize = 256 * 1024;
/// The most bytes that one call returns.
const CHUNK: usize = 64 * 1024;

/// A console's bytes, bounded: the first 256 KiB and the last 256 KiB of what the guest wrote. Clones share
/// them.
#[derive(Clone, Debug, Default)]
pub struct Console {
    shared: Arc<(Mutex<Output>, Condvar)>,
}

/// Part of a console's output.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The position in the whole output of the byte behind `bytes`: what to pass to the next call.
    pub next: u64,
    /// What was written there.
    pub bytes: Vec<u8>,
    /// The console has ended, and `bytes` are its last.
    pub ended: bool,
}

#[derive(Debug, Default)]
struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
    ended: bool,
}

impl Output {
    fn push(&mut self, bytes: &[u8]) {
        let (head, tail) = bytes.split_at(bytes.len().min(KEPT - self.head.len()));
        self.head.extend(head);
        self.tail.extend(tail);
        self.tail.drain(..self.tail.len().saturating_sub(KEPT));
        self.total += bytes.len() as u64;
    }

    /// Where the kept bytes of the tail begin in the whole output.
    fn tail_start(&self) -> u64 {
        self.total - self.tail.len() as u64
    }

    fn kept_from(&self, from: u64) -> (u64, Vec<u8>) {
        let head = self.head.len() as u64;
        if from < head {
            return (
                from,
                self.head
                    .iter()
                    .skip(from as usize)
                    .take(CHUNK)
                    .copied()
                    .collect(),
            );
        }
        let start = from.clamp(self.tail_start(), self.total);
        (
            start,
            self.tail
                .iter()
                .skip((start - self.tail_start()) as usize)
                .take(CHUNK)
                .copied()
                .collect(),
        )
    }
}

impl Console {
    /// Takes what `source` has until it ends.
    pub(crate) fn drain(&self, mut source: impl Read) {
        let mut buffer = [0; 4096];
        while let Ok(read) = source.read(&mut buffer)
            && read > 0
        {
            self.output().push(buffer.get(..read).unwrap_or_default());
            self.shared.1.notify_all();
        }
        self.output().ended = true;
        self.shared.1.notify_all();
    }

    /// Everything that is kept, with a line between first and last bytes that says how many are missing
    /// there.
    pub fn snapshot(&self) -> Vec<u8> {
        let output = self.output();
        let mut bytes = output.head.clone();
        let missing = output.tail_start() - output.head.len() as u64;
        if missing > 0 {
            bytes.extend(format!("\n[{missing} bytes are not kept]\n").bytes());
        }
        bytes.extend(&output.tail);
        bytes
    }

    /// The last `len` bytes as text.
    pub fn last(&self, len: usize) -> String {
        let output = self.output();
        let kept = output.head.len() + output.tail.len();
        let last: Vec<u8> = output
            .head
            .iter()
            .chain(&output.tail)
            .skip(kept.saturating_sub(len))
            .copied()
            .collect();
        String::from_utf8_lossy(&last).into_owned()
    }

    /// What was written from position `from` on, at most 64 KiB of it, waiting up to `timeout` for some.
    /// Bytes that are no longer kept are skipped.
    pub fn read(&self, from: u64, timeout: Duration) -> Chunk {
        let nothing_new = |output: &mut Output| output.total <= from && !output.ended;
        let waited = self
            .shared
            .1
            .wait_timeout_while(self.output(), timeout, nothing_new);
        let (output, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let (start, bytes) = output.kept_from(from);
        let next = start + bytes.len() as u64;
        Chunk {
            next,
            bytes,
            ended: output.ended && next == output.total,
        }
    }

    fn output(&self) -> MutexGuard<'_, Output> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All that a reader from the start gets.
    fn read_all(console: &Console) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut from = 0;
        loop {
            let chunk = console.read(from, Duration::ZERO);
            bytes.extend(chunk.bytes);
            from = chunk.next;
            if chunk.ended {
                return bytes;
            }
        }
    }

    #[test]
    fn a_short_output_is_kept_whole() {
        let console = Console::default();
        console.drain(&b"hello"[..]);
        assert_eq!(console.snapshot(), b"hello");
        assert_eq!(console.last(3), "llo");
        assert_eq!(read_all(&console), b"hello");
    }

    #[test]
    fn a_long_output_keeps_its_ends() {
        let written: Vec<u8> = (0..2_000_000u32).map(|i| (i / 1000) as u8).collect();
        let console = Console::default();
        console.drain(written.as_slice());
        let kept = [&written[..KEPT], &written[written.len() - KEPT..]].concat();
        assert_eq!(read_all(&console), kept);
        let gap = format!("\n[{} bytes are not kept]\n", written.len() - 2 * KEPT);
        assert_eq!(console.snapshot().len(), kept.len() + gap.len());
    }

    proptest! {
        #[test]
        fn a_reader_misses_nothing_that_is_kept(pieces in proptest::collection::vec(1usize..200_000, 0..8), from in 0u64..1_000_000) {
            let console = Console::default();
            let total: usize = pieces.iter().sum();
            let written: Vec<u8> = (0..total).map(|i| (i % 251) as u8).collect();
            let mut rest = written.as_slice();
            for piece in pieces {
                let (now, later) = rest.split_at(piece);
                console.output().push(now);
                rest = later;
            }
            console.output().ended = true;
            let chunk = console.read(from, Duration::ZERO);
            let end = chunk.next as usize;
            prop_assert!(end <= total);
            prop_assert_eq!(&written[end - chunk.bytes.len()..end], &chunk.bytes[..]);
        }
    }
}
