//! One layer: a tar archive, plain or compressed, applied to the tree.
//!
//! As the OCI image specification has it (layer.md): `.wh.NAME` takes NAME of lower layers away, `.wh..wh..opq` all that
//! lower layers have in its directory.
use std::io::{self, BufRead, BufReader, Read};

use contract::fault::printable;
use flate2::bufread::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::{Error, Inode, Kind, Limits, Problem, Tree, ahead::reading_ahead, path, pax::Extension};
use crate::digest::{Digest, HashingReader};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// The largest extension of one entry: long names and pax records, in bytes.
const MAX_EXTENSION: u64 = 1 << 20;
/// The most bytes of names and extensions that an image may have: they are held in memory, and one name of 4 KB implies
/// two thousand directories.
const MAX_HELD: u64 = 128 << 20;
/// The most characters that are shown of what a reader of archives says, which may quote the archive.
const MAX_SHOWN: usize = 300;
/// The largest window that a zstd layer may ask for: 2^27 bytes, the decoder's own default.
pub(crate) const MAX_ZSTD_WINDOW_LOG: u32 = 27;

/// What the layers so far have used of the limits.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Used {
    bytes: u64,
    entries: u64,
    /// Bytes of extensions.
    extensions: u64,
}

/// A layer as it is stored.
#[derive(Debug)]
pub struct PackedLayer<R> {
    /// Its bytes: a gzip, zstd or plain tar archive.
    pub bytes: R,
    /// The digest of these bytes, where a manifest says it.
    pub digest: Option<Digest>,
    /// The digest of the plain archive.
    pub diff_id: Digest,
}

/// Applies layers to a new tree, lowest first, and checks every digest.
pub fn apply<R: Read + Send>(
    layers: impl IntoIterator<Item = io::Result<PackedLayer<R>>>,
    mut tree: Tree,
    limits: &Limits,
) -> Result<Tree, Error> {
    let mut used = Used::default();
    for (number, layer) in layers.into_iter().enumerate() {
        let mut applied = Layer {
            tree: &mut tree,
            number: number + 1,
            limits,
            used,
        };
        let layer = layer?;
        let diff_id = layer.diff_id;
        applied
            .apply(layer)
            .map_err(|error| error.of_layer(number + 1, diff_id))?;
        used = applied.used;
    }
    tree.spool.flush()?;
    Ok(tree)
}

struct Layer<'a> {
    tree: &'a mut Tree,
    /// From 1 up.
    number: usize,
    limits: &'a Limits,
    used: Used,
}

impl Layer<'_> {
    fn apply(&mut self, layer: PackedLayer<impl Read + Send>) -> Result<(), Error> {
        let PackedLayer {
            bytes,
            digest,
            diff_id,
        } = layer;
        let mut packed = BufReader::with_capacity(1 << 17, HashingReader::new(bytes));
        let unpacked = match decompress(&mut packed) {
            Ok(plain) => reading_ahead(plain, |plain| self.unpack(plain, diff_id))
                .unwrap_or_else(|error| Err(Error::Io(error))),
            Err(error) => Err(Error::Io(error)),
        };
        // One that is no archive may have been damaged on its way: then fetching it again will help.
        if !matches!(unpacked, Ok(()) | Err(Error::Malformed(_))) {
            return unpacked;
        }
        let found = packed.into_inner().finish()?;
        match digest {
            Some(expected) if expected != found => Err(Error::Digest { expected, found }),
            _ => unpacked,
        }
    }

    fn unpack(&mut self, plain: impl Read, diff_id: Digest) -> Result<(), Error> {
        let left = self.limits.total_bytes - self.used.bytes;
        // One byte more than allowed: when it comes, there are too many.
        let mut plain = HashingReader::new(plain.take(left + 1));
        let mut counted = Counted {
            inner: &mut plain,
            count: 0,
        };
        let applied = self.entries(&mut counted);
        // Zeros after the archive belong to the layer, and count.
        let drained = applied.and_then(|()| Ok(io::copy(&mut counted, &mut io::sink())?));
        let count = counted.count;
        if count > left {
            return Err(Error::TooManyBytes(self.limits.total_bytes));
        }
        drained.map_err(|error| match error {
            // What the system did not say, a decoder did.
            Error::Io(error) if error.raw_os_error().is_none() => {
                Error::Malformed(printable(&error.to_string(), MAX_SHOWN))
            }
            other => other,
        })?;
        self.used.bytes += count;
        let found = plain.finish()?;
        if found != diff_id {
            return Err(Error::DiffId {
                expected: diff_id,
                found,
            });
        }
        Ok(())
    }

    fn entries(&mut self, plain: impl Read) -> Result<(), Error> {
        let mut archive = Archive::new(plain);
        let mut extension = Extension::default();
        // Raw: the tar crate would read extensions of any claimed size into memory.
        for entry in archive.entries()?.raw(true) {
            let mut entry = entry?;
            self.count(&entry);
            match entry.header().entry_type() {
                // The file that it is of comes next, and is what to name.
                EntryType::XHeader => {
                    let read = extension.read_pax(&read_extension(&mut entry)?);
                    extension.problem = extension.problem.or(read.err());
                }
                EntryType::GNULongName => extension.path = Some(without_nul(read_extension(&mut entry)?)),
                EntryType::GNULongLink => extension.link = Some(without_nul(read_extension(&mut entry)?)),
                EntryType::XGlobalHeader => {}
                _ => self.entry(&mut entry, std::mem::take(&mut extension))?,
            }
            self.check_counts()?;
        }
        Ok(())
    }

    /// Counts an entry of any kind.
    fn count<R: Read>(&mut self, entry: &Entry<'_, R>) {
        self.used.entries += 1;
        if matches!(
            entry.header().entry_type(),
            EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink
        ) {
            self.used.extensions = self.used.extensions.saturating_add(entry.size());
        }
    }

    /// Directories that paths imply count as entries, and what they are called is held in memory as all names are.
    fn check_counts(&self) -> Result<(), Error> {
        let made = self.used.entries.max(self.tree.inode_count() as u64);
        if made > self.limits.entries {
            return Err(Error::TooManyEntries(self.limits.entries));
        }
        if self.used.extensions.saturating_add(self.tree.held()) > MAX_HELD {
            return Err(Error::TooManyNames(MAX_HELD));
        }
        Ok(())
    }

    fn entry<R: Read>(&mut self, entry: &mut Entry<'_, R>, extension: Extension) -> Result<(), Error> {
        let raw = extension
            .path
            .clone()
            .unwrap_or_else(|| entry.header().path_bytes().into_owned());
        if let Some(problem) = extension.problem {
            return Err(problem.at(&raw));
        }
        let located = path::clean(&raw, self.limits.path_len)
            .and_then(|path| self.tree.locate(&path))
            .map_err(|problem| problem.at(&raw))?;
        // What links lead to may be longer than what the entry says.
        if located.len() > self.limits.path_len {
            return Err(Problem::Path.at(&raw));
        }
        match path::split(&located) {
            Some((parent, OPAQUE)) => {
                let removed = self.tree.remove_lower_below(parent, self.number);
                removed.map_err(|problem| problem.at(&raw))?;
            }
            Some((parent, name)) if name.starts_with(WHITEOUT) => {
                self.whiteout(parent, name).map_err(|problem| problem.at(&raw))?;
            }
            _ => self.place(entry, extension, located, &raw)?,
        }
        Ok(())
    }

    fn whiteout(&mut self, parent: &[u8], name: &[u8]) -> Result<(), Problem> {
        let target = name.get(WHITEOUT.len()..).unwrap_or_default();
        match target {
            b"" | b"." | b".." => return Err(Problem::Escape),
            // Other marks of aufs, which say nothing of the image.
            _ if target.starts_with(WHITEOUT) => return Ok(()),
            _ => {}
        }
        let mut removed = parent.to_vec();
        path::push(&mut removed, target);
        self.tree.remove_lower(&removed, self.number)
    }

    fn place<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
        extension: Extension,
        located: Vec<u8>,
        raw: &[u8],
    ) -> Result<(), Error> {
        let refuse = |problem: Problem| problem.at(raw);
        let header = entry.header().clone();
        let size = header.entry_size().map_err(|_| refuse(Problem::Number))?;
        let said = extension.size.unwrap_or(size);
        if u32::try_from(size.max(said)).is_err() {
            return Err(refuse(Problem::TooLarge));
        }
        // The archive was walked by the header's.
        if said != size {
            return Err(refuse(Problem::Sizes));
        }
        let target = extension
            .link
            .or_else(|| header.link_name_bytes().map(|link| link.into_owned()));
        let target = target.unwrap_or_default();
        let kind = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous if raw.ends_with(b"/") => Kind::Directory,
            EntryType::Regular | EntryType::Continuous => {
                Kind::File(self.tree.spool.append(entry, u32::try_from(size).unwrap_or(0))?)
            }
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => {
                if target.is_empty() || target.len() > self.limits.path_len || target.contains(&0) {
                    return Err(refuse(Problem::Path));
                }
                Kind::Symlink(target)
            }
            EntryType::Link => {
                let target =
                    path::clean(&target, self.limits.path_len).and_then(|path| self.tree.locate(&path));
                return target
                    .and_then(|target| self.tree.link(located, &target, self.number))
                    .map_err(refuse);
            }
            EntryType::Char => device(&header)
                .map(|(major, minor)| Kind::CharacterDevice(major, minor))
                .map_err(refuse)?,
            EntryType::Block => device(&header)
                .map(|(major, minor)| Kind::BlockDevice(major, minor))
                .map_err(refuse)?,
            EntryType::Fifo => Kind::Fifo,
            _ => return Err(refuse(Problem::Type)),
        };
        if !extension.xattrs.is_empty() && std::str::from_utf8(&located).is_err() {
            return Err(refuse(Problem::Xattr));
        }
        let number = |extended: Option<u64>, plain: io::Result<u64>| {
            extended
                .or(plain.ok())
                .and_then(|id| u32::try_from(id).ok())
                .ok_or(Problem::Number.at(raw))
        };
        let inode = Inode {
            kind,
            permissions: header.mode().map_err(|_| refuse(Problem::Number))? & 0o7777,
            uid: number(extension.uid, header.uid())?,
            gid: number(extension.gid, header.gid())?,
            xattrs: extension.xattrs,
        };
        self.tree.put(located, inode, self.number).map_err(refuse)
    }
}

/// The plain archive in a layer; what it is compressed with is told by its first bytes.
fn decompress<'a>(mut packed: impl BufRead + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let start = packed.fill_buf()?;
    if start.starts_with(&[0x1f, 0x8b]) {
        Ok(Box::new(MultiGzDecoder::new(packed)))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let mut decoder = zstd::Decoder::with_buffer(packed)?;
        decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
        Ok(Box::new(decoder))
    } else {
        Ok(Box::new(packed))
    }
}

fn device(header: &tar::Header) -> Result<(u32, u32), Problem> {
    match (header.device_major(), header.device_minor()) {
        (Ok(Some(major)), Ok(Some(minor))) => Ok((major, minor)),
        _ => Err(Problem::Number),
    }
}

fn read_extension<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    entry.take(MAX_EXTENSION + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_EXTENSION {
        Err(Problem::Extension.at(b"extended header"))
    } else {
        Ok(bytes)
    }
}

fn without_nul(mut name: Vec<u8>) -> Vec<u8> {
    if name.last() == Some(&0) {
        name.pop();
    }
    name
}

struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}
