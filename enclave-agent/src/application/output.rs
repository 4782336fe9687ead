//! What the application writes: the last of it, held for whoever asks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

/// How many bytes are held.
const HELD: usize = 64 * 1024;
/// The most that a reader gets at once.
const CHUNK: usize = 16 * 1024;

/// The last 64 KiB of the application's output. Writing never waits for a reader: one that falls behind loses lines.
pub struct Output {
    ring: Mutex<VecDeque<u8>>,
    written: watch::Sender<Written>,
}

/// How many bytes were ever written, and whether those are all.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    bytes: u64,
    closed: bool,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            ring: Mutex::default(),
            written: watch::Sender::new(Written::default()),
        }
    }
}

impl Output {
    /// Adds `bytes`; the oldest give way.
    pub fn write(&self, bytes: &[u8]) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.extend(bytes);
        let surplus = ring.len().saturating_sub(HELD);
        ring.drain(..surplus);
        self.written
            .send_modify(|written| written.bytes += bytes.len() as u64);
    }

    /// Nothing more will be written: readers end when they have read all.
    pub(super) fn close(&self) {
        self.written.send_modify(|written| written.closed = true);
    }

    /// Adds all that `source` gives, to its end.
    pub(super) async fn copy_from(&self, mut source: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; CHUNK];
        while let Ok(length @ 1..) = source.read(&mut buffer).await {
            self.write(buffer.get(..length).unwrap_or_default());
        }
    }

    /// A reader from the very beginning.
    pub fn reader(self: &Arc<Self>) -> Reader {
        Reader {
            output: self.clone(),
            position: 0,
            written: self.written.subscribe(),
        }
    }

    /// The last lines, at most `limit` bytes of printable text.
    pub fn tail(&self, limit: usize) -> String {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let held: Vec<u8> = ring
            .iter()
            .skip(ring.len().saturating_sub(limit))
            .copied()
            .collect();
        drop(ring);
        let text = String::from_utf8_lossy(&held);
        let text: String = text.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
        last_bytes(text.trim_end(), limit).to_owned()
    }
}

/// The end of `text`, at most `limit` bytes.
fn last_bytes(text: &str, limit: usize) -> &str {
    let start = (text.len().saturating_sub(limit)..=text.len()).find(|at| text.is_char_boundary(*at));
    start.and_then(|start| text.get(start..)).unwrap_or_default()
}

/// A reader of an [`Output`].
pub struct Reader {
    output: Arc<Output>,
    position: u64,
    written: watch::Receiver<Written>,
}

impl Reader {
    /// The next bytes; waits until there are any. Where some were lost, a line that says so comes first, and the
    /// rest begins with a line. None at the end.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        let position = self.position;
        let news = self
            .written
            .wait_for(|written| written.bytes > position || written.closed)
            .await;
        if news.is_ok_and(|written| written.bytes == position) {
            return None;
        }
        let ring = self.output.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let end = self.written.borrow().bytes;
        let oldest = end - ring.len() as u64;
        let mut chunk = Vec::new();
        if self.position < oldest {
            let line = ring
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(0, |newline| newline as u64 + 1);
            let lost = oldest + line - self.position;
            chunk = format!("[treza-agent: {lost} bytes of output are no longer held]\n").into_bytes();
            self.position = oldest + line;
        }
        chunk.extend(ring.iter().skip((self.position - oldest) as usize).take(CHUNK));
        self.position = end.min(self.position + CHUNK as u64);
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_gets_what_was_and_what_comes() {
        let output = Arc::new(Output::default());
        output.write(b"before\n");
        let mut reader = output.reader();
        assert_eq!(reader.next().await.unwrap(), b"before\n");
        let later = tokio::spawn(async move { (reader.next().await, reader.next().await) });
        tokio::task::yield_now().await;
        output.write(b"after\n");
        tokio::task::yield_now().await;
        output.close();
        assert_eq!(later.await.unwrap(), (Some(b"after\n".to_vec()), None));
    }

    #[tokio::test]
    async fn a_slow_reader_loses_whole_lines_and_is_told() {
        let output = Arc::new(Output::default());
        let mut reader = output.reader();
        for line in 0..10_000 {
            output.write(format!("line {line:05}\n").as_bytes());
        }
        let mut read = String::new();
        while !read.ends_with("line 09999\n") {
            read += std::str::from_utf8(&reader.next().await.unwrap()).unwrap();
        }
        let mut lines = read.lines();
        let mark = lines.next().unwrap();
        let lost: usize = mark.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(mark.ends_with("bytes of output are no longer held]"), "{mark}");
        assert_eq!(
            lost + (read.len() - mark.len() - 1),
            10_000 * 11,
            "nothing is missing or doubled"
        );
        assert!(
            lines.next().unwrap().starts_with("line "),
            "it begins with a line"
        );
    }

    #[tokio::test]
    async fn more_than_the_ring_at_once_leaves_the_last_of_it() {
        let output = Output::default();
        output.copy_from(&vec![b'x'; 3 * HELD + 5][..]).await;
        assert_eq!(output.ring.lock().unwrap().len(), HELD);
        assert_eq!(output.written.borrow().bytes, 3 * HELD as u64 + 5);
    }

    #[test]
    fn the_tail_is_printable_and_short() {
        let output = Output::default();
        output.write(b"old\n\x1b[31mred\x07 \xff\xc3\xa4\n\n");
        assert_eq!(output.tail(1024), "old\n[31mred \u{fffd}\u{e4}");
        for limit in 0..16 {
            assert!(output.tail(limit).len() <= limit);
        }
    }
}
