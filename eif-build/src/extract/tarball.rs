//! A tree as a tar archive: owners, modes and devices as they are, times 0. The same tree gives the same bytes.
use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::File,
    io::{self, BufWriter, Write},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use tar::{Builder, EntryType, Header};

use super::entries;
use crate::rootfs::{Inode, Kind, Tree};

/// Writes what stands below `root` of the tree into the new file `to`.
pub(super) fn write(tree: &Tree, root: &[u8], to: &Path) -> io::Result<()> {
    let mut archive = Builder::new(BufWriter::with_capacity(1 << 18, File::create_new(to)?));
    let mut written: HashMap<usize, Vec<u8>> = HashMap::new();
    for (path, number, inode) in entries(tree, root) {
        // The root itself; a directory's name ends in a slash.
        let mut name = if path.is_empty() {
            b".".to_vec()
        } else {
            path.to_vec()
        };
        if matches!(inode.kind, Kind::Directory) {
            name.push(b'/');
        }
        let (name, mut header) = (Path::new(OsStr::from_bytes(&name)), header(inode));
        match &inode.kind {
            Kind::File(_) if written.contains_key(&number) => {
                header.set_entry_type(EntryType::Link);
                let first = written.get(&number).map(Vec::as_slice).unwrap_or_default();
                archive.append_link(&mut header, name, OsStr::from_bytes(first))?;
            }
            Kind::File(extent) => {
                header.set_size(u64::from(extent.size));
                archive.append_data(&mut header, name, tree.spool().read(*extent))?;
                written.insert(number, path.to_vec());
            }
            Kind::Symlink(target) => {
                archive.append_link(&mut header, name, OsStr::from_bytes(target))?;
            }
            _ => archive.append_data(&mut header, name, io::empty())?,
        }
    }
    archive.into_inner()?.flush()
}

fn header(inode: &Inode) -> Header {
    let mut header = Header::new_gnu();
    let (kind, device) = match inode.kind {
        Kind::Directory => (EntryType::Directory, None),
        Kind::File(_) => (EntryType::Regular, None),
        Kind::Symlink(_) => (EntryType::Symlink, None),
        Kind::CharacterDevice(major, minor) => (EntryType::Char, Some((major, minor))),
        Kind::BlockDevice(major, minor) => (EntryType::Block, Some((major, minor))),
        Kind::Fifo => (EntryType::Fifo, None),
    };
    header.set_entry_type(kind);
    header.set_mode(inode.permissions);
    header.set_uid(u64::from(inode.uid));
    header.set_gid(u64::from(inode.gid));
    header.set_mtime(0);
    header.set_size(0);
    if let Some((major, minor)) = device
        && let Some(gnu) = header.as_gnu_mut()
    {
        gnu.set_device_major(major);
        gnu.set_device_minor(minor);
    }
    header
}
