//! The cpio format that Linux unpacks its initramfs from: "newc" (Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! A header of 110 ASCII bytes, the name with its NUL, the data; name and data each padded to 4 bytes.
use std::io::{self, Read, Write};

const MAGIC: &[u8; 6] = b"070701";
const HEADER_SIZE: usize = 110;
const TRAILER: &[u8] = b"TRAILER!!!";
/// Archives are padded to this many bytes, so that another may follow.
const BLOCK: u64 = 512;
/// The longest name, in bytes with its NUL: Linux passes over entries with longer ones.
pub const MAX_NAME: usize = 4096;
/// How much is copied at once, in bytes.
const CHUNK: usize = 1 << 17;

/// File types, as in the mode of `stat`.
pub mod file_type {
    /// A named pipe.
    pub const FIFO: u32 = 0o010_000;
    /// A character device.
    pub const CHARACTER_DEVICE: u32 = 0o020_000;
    /// A directory.
    pub const DIRECTORY: u32 = 0o040_000;
    /// A block device.
    pub const BLOCK_DEVICE: u32 = 0o060_000;
    /// A regular file.
    pub const REGULAR: u32 = 0o100_000;
    /// A symbolic link, whose target is its data.
    pub const SYMLINK: u32 = 0o120_000;
    /// The bits of the mode that hold the type.
    pub const MASK: u32 = 0o170_000;
}

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path, relative, without a NUL.
    pub path: Vec<u8>,
    /// Type and permissions, as in `stat`.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The number that entries of the same file share.
    pub inode: u32,
    /// Major and minor number of the device that the file was on: with `inode` they say which entries are one file.
    pub filesystem: (u32, u32),
    /// How many entries share it. The first has the data, the others have none.
    pub links: u32,
    /// When it was changed, in seconds since 1970; this builder writes 0.
    pub mtime: u32,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// The size of the data in bytes.
    pub size: u32,
}

impl Entry {
    /// An entry of root's with no data, which nothing else shares.
    pub fn new(path: impl Into<Vec<u8>>, mode: u32, inode: u32) -> Self {
        Self {
            path: path.into(),
            mode,
            uid: 0,
            gid: 0,
            inode,
            filesystem: (0, 0),
            links: 1,
            mtime: 0,
            device: (0, 0),
            size: 0,
        }
    }

    /// How many bytes the entry takes in an archive, with header and padding.
    pub fn archived_size(&self) -> u64 {
        let name = (HEADER_SIZE + self.path.len() + 1) as u64;
        name.next_multiple_of(4) + u64::from(self.size).next_multiple_of(4)
    }

    fn header(&self) -> String {
        let ((major, minor), (on_major, on_minor)) = (self.device, self.filesystem);
        let name_size = self.path.len() + 1;
        let Self {
            inode,
            mode,
            uid,
            gid,
            links,
            mtime,
            size,
            ..
        } = self;
        // The sum at the end is not used by "newc".
        format!(
            "070701{inode:08X}{mode:08X}{uid:08X}{gid:08X}{links:08X}{mtime:08X}{size:08X}{on_major:08X}{on_minor:08X}{major:08X}{minor:08X}{name_size:08X}{:08X}",
            0
        )
    }
}

fn trailer() -> Entry {
    Entry {
        links: 1,
        ..Entry::new(TRAILER, 0, 0)
    }
}

/// The size in bytes of an archive of entries that take `archived` bytes.
pub fn archive_size(archived: u64) -> u64 {
    (archived + trailer().archived_size()).next_multiple_of(BLOCK)
}

/// Writes an archive.
pub struct Writer<W> {
    output: W,
    written: u64,
    buffer: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins an archive.
    pub fn new(output: W) -> Self {
        Self {
            output,
            written: 0,
            buffer: vec![0; CHUNK],
        }
    }

    /// Writes an entry with the `entry.size` bytes that `data` gives.
    pub fn entry(&mut self, entry: &Entry, mut data: impl Read) -> io::Result<()> {
        self.put(entry.header().as_bytes())?;
        self.put(&entry.path)?;
        self.put(&[0])?;
        self.pad(4)?;
        let mut left = entry.size as usize;
        while left > 0 {
            let chunk = self.buffer.get_mut(..left.min(CHUNK)).unwrap_or_default();
            data.read_exact(chunk)?;
            self.output.write_all(chunk)?;
            left -= chunk.len();
        }
        self.written += u64::from(entry.size);
        self.pad(4)
    }

    /// Ends the archive and gives the output back.
    pub fn finish(mut self) -> io::Result<W> {
        self.entry(&trailer(), io::empty())?;
        self.pad(BLOCK)?;
        Ok(self.output)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.output.write_all(bytes)
    }

    fn pad(&mut self, to: u64) -> io::Result<()> {
        let missing = (self.written.next_multiple_of(to) - self.written) as usize;
        self.put([0; BLOCK as usize].get(..missing).unwrap_or_default())
    }
}

/// Reads an archive, entry by entry, without ever holding more than a name.
pub struct Reader<R> {
    input: R,
    /// The bytes of the current entry's data that nobody has read yet, and of the padding after them.
    size: u64,
    padding: u64,
}

impl<R: Read> Reader<R> {
    /// Begins to read an archive.
    pub fn new(input: R) -> Self {
        Self {
            input,
            size: 0,
            padding: 0,
        }
    }

    /// What follows the entries that were read: after the trailer, the archive's padding.
    pub fn into_inner(self) -> R {
        self.input
    }

    /// The next entry, or `None` at the trailer. Errors: the input ends early, or is not of this format.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        self.skip(self.size + self.padding)?;
        let mut header = [0; HEADER_SIZE];
        self.input.read_exact(&mut header)?;
        if !header.starts_with(MAGIC) {
            return Err(malformed("not a cpio archive of the format newc"));
        }
        let field = |number: usize| hexadecimal(&header, MAGIC.len() + 8 * number);
        let name_size = field(11)? as usize;
        if !(1..=MAX_NAME).contains(&name_size) {
            return Err(malformed("a name of no length, or too long"));
        }
        let mut path = vec![0; name_size];
        self.input.read_exact(&mut path)?;
        let name = (HEADER_SIZE + name_size) as u64;
        self.skip(name.next_multiple_of(4) - name)?;
        if path.pop() != Some(0) || path.contains(&0) {
            return Err(malformed("a name that does not end with its NUL"));
        }
        if path == TRAILER {
            return Ok(None);
        }
        let entry = Entry {
            path,
            mode: field(1)?,
            uid: field(2)?,
            gid: field(3)?,
            inode: field(0)?,
            filesystem: (field(7)?, field(8)?),
            links: field(4)?,
            mtime: field(5)?,
            device: (field(9)?, field(10)?),
            size: field(6)?,
        };
        self.size = u64::from(entry.size);
        self.padding = self.size.next_multiple_of(4) - self.size;
        Ok(Some(entry))
    }

    /// What nobody has read yet of the data of the entry that came last.
    pub fn data(&mut self) -> impl Read + '_ {
        Data {
            input: &mut self.input,
            left: &mut self.size,
        }
    }

    /// Copies the data of the entry that came last; a second time there is nothing.
    pub fn copy_data(&mut self, mut output: impl Write) -> io::Result<()> {
        let size = self.size;
        let copied = io::copy(&mut self.data(), &mut output)?;
        if copied == size {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn skip(&mut self, count: u64) -> io::Result<()> {
        let skipped = io::copy(&mut (&mut self.input).take(count), &mut io::sink())?;
        if skipped == count {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

struct Data<'a, R> {
    input: &'a mut R,
    left: &'a mut u64,
}

impl<R: Read> Read for Data<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(*self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.input.read(buffer.get_mut(..wanted).unwrap_or_default())?;
        *self.left -= count as u64;
        Ok(count)
    }
}

fn hexadecimal(header: &[u8; HEADER_SIZE], at: usize) -> io::Result<u32> {
    header
        .get(at..at + 8)
        .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        .and_then(|digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
        .ok_or_else(|| malformed("a field that is not hexadecimal"))
}

fn malformed(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests;
