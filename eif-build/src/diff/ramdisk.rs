//! Ramdisks compared by their entries.
use std::{
    collections::{BTreeMap, HashMap},
    io::{self, BufRead, Read},
};

use super::Found;
use crate::{
    cpio::{Entry, file_type},
    digest::{Digest, Hasher},
    initramfs,
    rootfs::Limits,
};

/// The longest path or target that is shown whole, in characters.
const SHOWN: usize = 400;

/// The entries of a ramdisk by path, and of several with one path by their order.
pub(super) type Listing = BTreeMap<(Vec<u8>, usize), File>;

/// What is compared of an entry.
pub(super) struct File {
    entry: Entry,
    content: Digest,
    /// Of a symbolic link.
    target: Option<Vec<u8>>,
}

/// Lists a ramdisk.
pub(super) fn list(ramdisk: impl BufRead, limits: &Limits) -> io::Result<Listing> {
    let mut listing = Listing::new();
    let mut seen: HashMap<Vec<u8>, usize> = HashMap::new();
    initramfs::read(ramdisk, limits, &mut |_, entry, data| {
        let is_link = entry.mode & file_type::MASK == file_type::SYMLINK;
        let mut target = is_link.then(Vec::new);
        if let Some(target) = &mut target {
            data.take(limits.path_len as u64).read_to_end(target)?;
        }
        let mut hasher = Hasher::default();
        let mut chunk = [0; 1 << 14];
        loop {
            match data.read(&mut chunk)? {
                0 => break,
                count => hasher.update(chunk.get(..count).unwrap_or_default()),
            }
        }
        let times = seen.entry(entry.path.clone()).or_default();
        let file = File {
            entry: entry.clone(),
            content: hasher.finish(),
            target,
        };
        listing.insert((entry.path.clone(), *times), file);
        *times += 1;
        Ok(())
    })?;
    Ok(listing)
}

/// Compares two ramdisks of the name `section`.
pub(super) fn compare(found: &mut Found, section: &str, a: &Listing, b: &Listing) {
    for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
        let path = printable(&key.0);
        let path = if key.1 == 0 {
            path
        } else {
            format!("{path} ({})", key.1 + 1)
        };
        let mut differ = |field, a: String, b: String| found.compare(section, Some(&path), field, a, b);
        let (Some(a), Some(b)) = (a.get(key), b.get(key)) else {
            let kind = |side: Option<&File>| side.map_or(String::new(), |file| kind(&file.entry).into());
            differ("presence", kind(a.get(key)), kind(b.get(key)));
            continue;
        };
        let (one, other) = (&a.entry, &b.entry);
        differ("type", kind(one).into(), kind(other).into());
        let mode = |entry: &Entry| format!("{:04o}", entry.mode & !file_type::MASK);
        differ("mode", mode(one), mode(other));
        let owner = |entry: &Entry| format!("{}:{}", entry.uid, entry.gid);
        differ("owner", owner(one), owner(other));
        differ("size", one.size.to_string(), other.size.to_string());
        match (&a.target, &b.target) {
            (Some(a), Some(b)) => differ("target", printable(a), printable(b)),
            _ => differ("content", a.content.to_string(), b.content.to_string()),
        }
        differ("mtime", one.mtime.to_string(), other.mtime.to_string());
        let device = |entry: &Entry| format!("{}:{}", entry.device.0, entry.device.1);
        differ("device", device(one), device(other));
        differ("links", one.links.to_string(), other.links.to_string());
    }
}

fn kind(entry: &Entry) -> &'static str {
    match entry.mode & file_type::MASK {
        file_type::DIRECTORY => "directory",
        file_type::REGULAR => "file",
        file_type::SYMLINK => "symbolic link",
        file_type::CHARACTER_DEVICE => "character device",
        file_type::BLOCK_DEVICE => "block device",
        file_type::FIFO => "named pipe",
        _ => "unknown",
    }
}

fn printable(bytes: &[u8]) -> String {
    contract::fault::printable(&String::from_utf8_lossy(bytes), SHOWN)
}
