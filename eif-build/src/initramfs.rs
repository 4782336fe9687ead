//! A ramdisk as Linux unpacks it: archives one after another, each plain or compressed, with zeros between them
//! (Documentation/driver-api/early-userspace/buffer-format.rst).
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

use crate::{
    cpio::{self, Entry},
    rootfs::{Limits, MAX_ZSTD_WINDOW_LOG},
};

/// How much is read of a decoder at once, in bytes.
const BUFFER: usize = 1 << 17;
/// The most bytes of all names of a ramdisk: as many as an image's own may have.
pub(crate) const MAX_NAMES: u64 = 256 << 20;

/// Is given each entry of each archive, in order, with its data: the archive's number, from 0, the entry, its data.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(usize, &Entry, &mut dyn Read) -> io::Result<()>;

/// Passes all entries of a ramdisk to `visit`. Errors: it is not what Linux would unpack, or has more than the `limits`
/// allow.
pub(crate) fn read(mut ramdisk: impl BufRead, limits: &Limits, visit: Visit<'_>) -> io::Result<()> {
    let mut pass = Pass {
        archives: 0,
        entries: 0,
        names: 0,
        left: limits.total_bytes,
        limits,
        visit,
    };
    while let Some(start) = skip_zeros(&mut ramdisk)? {
        match start {
            b'0' => pass.archive(&mut ramdisk)?,
            0x1f => pass.archives(BufReader::with_capacity(BUFFER, GzDecoder::new(&mut ramdisk)))?,
            0x28 => {
                let mut decoder = zstd::Decoder::with_buffer(&mut ramdisk)?.single_frame();
                decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
                pass.archives(BufReader::with_capacity(BUFFER, decoder))?;
            }
            _ => return Err(malformed("neither a cpio archive nor one in gzip or zstd")),
        }
    }
    Ok(())
}

struct Pass<'a> {
    archives: usize,
    entries: u64,
    names: u64,
    /// How many bytes may still be unpacked, of all that is compressed.
    left: u64,
    limits: &'a Limits,
    visit: Visit<'a>,
}

impl Pass<'_> {
    /// What was compressed holds plain archives and nothing else.
    fn archives(&mut self, plain: impl BufRead) -> io::Result<()> {
        let mut plain = plain.take(self.left);
        let read = self.each_archive(&mut plain);
        self.left = plain.limit();
        if self.left == 0 {
            return Err(malformed("it unpacks to more bytes than are allowed"));
        }
        read
    }

    fn each_archive(&mut self, plain: &mut impl BufRead) -> io::Result<()> {
        while skip_zeros(plain)?.is_some() {
            self.archive(plain)?;
        }
        Ok(())
    }

    fn archive(&mut self, plain: &mut dyn BufRead) -> io::Result<()> {
        let mut archive = cpio::Reader::new(plain);
        while let Some(entry) = archive.next_entry()? {
            self.entries += 1;
            self.names += entry.path.len() as u64;
            if self.entries > self.limits.entries || self.names > MAX_NAMES {
                return Err(malformed("it has more entries or longer names than are allowed"));
            }
            (self.visit)(self.archives, &entry, &mut archive.data())?;
        }
        self.archives += 1;
        Ok(())
    }
}

/// The first byte that is not zero, which is left where it is; `None` at the end.
fn skip_zeros(input: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let zeros = buffer.iter().take_while(|&&byte| byte == 0).count();
        let found = buffer.get(zeros).copied();
        input.consume(zeros);
        if found.is_some() {
            return Ok(found);
        }
    }
}

fn malformed(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
