//! The guest's serial console: its first and its last bytes.

use std::time::Duration;

/// A console's bytes, bounded: the first 256 KiB and the last 256 KiB of what the guest wrote. Clones share them.
#[derive(Clone, Debug)]
pub struct Console;

/// Part of a console's output.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The position in the whole output of the byte behind `bytes`: pass it to the next call.
    pub next: u64,
    /// What was written there.
    pub bytes: Vec<u8>,
    /// The console has ended and `bytes` are its last.
    pub ended: bool,
}

impl Console {
    /// Everything that is kept, with a line between first and last bytes that says how many are left out.
    pub fn snapshot(&self) -> Vec<u8> {
        unimplemented!()
    }
    /// What was written from position `from` on, at most 64 KiB, waiting up to `timeout` for it. Bytes no longer kept are skipped.
    pub fn read(&self, _from: u64, _timeout: Duration) -> Chunk {
        unimplemented!()
    }
}
