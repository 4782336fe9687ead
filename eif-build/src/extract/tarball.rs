//! A tree as a tar archive: owners, modes and devices as they are, times 0. The same tree gives the same bytes.
use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::Path,
};

use tar::{Builder, EntryType, Header};

use super::entries;
use crate::rootfs::{Inode, Kind, Tree};

/// As many bytes of a name or a target stand in a header; longer ones in an entry of their own before it, as GNU tar
/// has them.
const FIELD: usize = 100;

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
        let mut header = header(inode);
        match &inode.kind {
            Kind::File(_) if written.contains_key(&number) => {
                header.set_entry_type(EntryType::Link);
                let first = written.get(&number).map(Vec::as_slice).unwrap_or_default();
                append(&mut archive, header, &name, first, io::empty())?;
            }
            Kind::File(extent) => {
                header.set_size(u64::from(extent.size));
                append(&mut archive, header, &name, b"", tree.spool().read(*extent))?;
                written.insert(number, path.to_vec());
            }
            Kind::Symlink(target) => append(&mut archive, header, &name, target, io::empty())?,
            _ => append(&mut archive, header, &name, b"", io::empty())?,
        }
    }
    archive.into_inner()?.flush()
}

/// Appends an entry whose name and target are written byte for byte; the tar crate would bring them into its own spelling.
fn append(
    archive: &mut Builder<impl Write>,
    mut header: Header,
    name: &[u8],
    target: &[u8],
    content: impl Read,
) -> io::Result<()> {
    let texts = [(EntryType::GNULongName, name), (EntryType::GNULongLink, target)];
    for (kind, text) in texts.into_iter().filter(|(_, text)| text.len() > FIELD) {
        let mut long = Header::new_gnu();
        long.set_entry_type(kind);
        long.set_size(text.len() as u64 + 1);
        fill(&mut long, b"././@LongLink", b"");
        archive.append(&long, text.chain(&[0][..]))?;
    }
    fill(&mut header, name, target);
    archive.append(&header, content)
}

/// Fills a header's name and target, as much of them as it has room for, and its checksum.
fn fill(header: &mut Header, name: &[u8], target: &[u8]) {
    if let Some(gnu) = header.as_gnu_mut() {
        gnu.name.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
        gnu.linkname
            .iter_mut()
            .zip(target)
            .for_each(|(to, from)| *to = *from);
    }
    header.set_cksum();
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
