//! The contents of an image's files, one after another in a temporary file without a name: memory stays flat, and
//! nothing is left behind however the builder ends.
use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    os::unix::fs::FileExt,
    path::Path,
};

/// Where one file's content stands in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Offset in bytes.
    pub offset: u64,
    /// Size in bytes; a cpio archive cannot hold more.
    pub size: u32,
}

/// The spool, while it is written.
#[derive(Debug)]
pub struct Spool {
    file: BufWriter<File>,
    size: u64,
}

impl Spool {
    /// A spool in `folder`, which must have room for the unpacked image.
    pub fn new_in(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::with_capacity(1 << 18, tempfile::tempfile_in(folder)?),
            size: 0,
        })
    }

    /// Appends exactly `size` bytes of `content`.
    pub(crate) fn append(&mut self, content: impl Read, size: u32) -> io::Result<Extent> {
        let copied = io::copy(&mut content.take(u64::from(size)), &mut self.file)?;
        if copied != u64::from(size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let extent = Extent {
            offset: self.size,
            size,
        };
        self.size += copied;
        Ok(extent)
    }

    /// Makes all that was appended readable.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// A reader over one file's content.
    pub fn read(&self, extent: Extent) -> impl Read + '_ {
        SpoolReader {
            file: self.file.get_ref(),
            offset: extent.offset,
            left: u64::from(extent.size),
        }
    }
}

struct SpoolReader<'a> {
    file: &'a File,
    offset: u64,
    left: u64,
}

impl Read for SpoolReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self
            .file
            .read_at(buffer.get_mut(..wanted).unwrap_or_default(), self.offset)?;
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}
