//! Ramdisks unpacked as Linux would, but into a tree in memory: no path of theirs reaches the machine's file system.
use std::{
    collections::HashMap,
    io::{self, BufReader, Read},
    path::Path,
};

use contract::fault::printable;

use crate::{
    cpio::{Entry, file_type},
    eif::{self, Eif, SectionKind},
    error::Error,
    initramfs,
    rootfs::{self, Inode, Kind, Limits, Problem, Spool, Tree, path},
};

/// How much of a ramdisk is read at once, in bytes.
const BUFFER: usize = 1 << 17;
/// The most characters of a path that are shown.
const MAX_SHOWN: usize = 200;

/// The tree of all ramdisks of an EIF, one over the other; contents are spooled in `folder`.
pub(super) fn unpack(eif: &Path, folder: &Path, limits: &Limits) -> Result<Tree, Error> {
    let failed = |source| Error::Eif {
        path: eif.into(),
        source,
    };
    let spool = Spool::new_in(folder).map_err(rootfs::Error::Io)?;
    let mut file = Eif::open(eif).map_err(failed)?;
    let ramdisks: Vec<_> = file
        .sections()
        .iter()
        .filter(|section| section.kind == SectionKind::Ramdisk)
        .copied()
        .collect();
    let mut unpacking = Unpacking {
        tree: Tree::new(spool),
        entries: 0,
        bytes: 0,
        hard_links: HashMap::new(),
        limits,
    };
    for (number, section) in ramdisks.iter().enumerate() {
        let data = BufReader::with_capacity(BUFFER, file.section(section).map_err(failed)?);
        let mut refused = None;
        let read = initramfs::read(data, limits, &mut |archive, entry, data| {
            let unpacked = unpacking.entry((number, archive), entry, data);
            unpacked.map_err(|error| match error {
                // What the system did not say, the archive or a decoder did.
                rootfs::Error::Io(error) if error.raw_os_error().is_none() => {
                    let path = String::from_utf8_lossy(&entry.path);
                    io::Error::new(
                        error.kind(),
                        format!("{:?}: {error}", printable(&path, MAX_SHOWN)),
                    )
                }
                error => {
                    refused = Some(error);
                    io::Error::other("refused")
                }
            })
        });
        match (refused, read) {
            (Some(error), _) => return Err(Error::Rootfs(error)),
            (None, Err(error)) if error.raw_os_error().is_some() => return Err(failed(error.into())),
            (None, Err(error)) => {
                let problem = printable(&error.to_string(), 2 * MAX_SHOWN);
                let problem = format!("ramdisk {number}: {problem}");
                return Err(failed(eif::Error::Malformed(problem)));
            }
            (None, Ok(())) => {}
        }
    }
    unpacking.tree.spool.flush().map_err(rootfs::Error::Io)?;
    Ok(unpacking.tree)
}

/// Where the root file system begins: at `rootfs`, if there is such a directory.
pub(super) fn root(tree: &Tree) -> &'static [u8] {
    match tree.get(b"rootfs").map(|inode| &inode.kind) {
        Some(Kind::Directory) => b"rootfs",
        _ => b"",
    }
}

/// What makes entries of one archive the same file: ramdisk and archive, the device that the file was on, its number.
type Identity = ((usize, usize), (u32, u32), u32);

struct Unpacking<'a> {
    tree: Tree,
    /// Each entry counts as a layer of its own: a later one replaces an earlier, as in Linux.
    entries: usize,
    bytes: u64,
    hard_links: HashMap<Identity, Vec<u8>>,
    limits: &'a Limits,
}

impl Unpacking<'_> {
    fn entry(
        &mut self,
        archive: (usize, usize),
        entry: &Entry,
        data: &mut dyn Read,
    ) -> Result<(), rootfs::Error> {
        let refuse = |problem: Problem| problem.at(&entry.path);
        self.entries += 1;
        self.bytes += u64::from(entry.size);
        if self.bytes > self.limits.total_bytes {
            return Err(rootfs::Error::TooManyBytes(self.limits.total_bytes));
        }
        if self.tree.inode_count() as u64 > self.limits.entries || self.tree.held() > initramfs::MAX_NAMES {
            return Err(rootfs::Error::TooManyEntries(self.limits.entries));
        }
        // Linux unpacks below its root, whether or not a name begins there.
        let relative = entry.path.iter().position(|&byte| byte != b'/');
        let relative = relative.and_then(|start| entry.path.get(start..)).unwrap_or(b".");
        let located = path::clean(relative, self.limits.path_len)
            .and_then(|path| self.tree.locate(&path))
            .map_err(refuse)?;
        if located.len() > self.limits.path_len {
            return Err(refuse(Problem::Path));
        }
        let kind = match entry.mode & file_type::MASK {
            file_type::DIRECTORY => Kind::Directory,
            file_type::REGULAR => {
                let content = self.tree.spool.append(data, entry.size)?;
                if entry.links > 1 {
                    let identity = (archive, entry.filesystem, entry.inode);
                    if let Some(first) = self.hard_links.get(&identity).cloned() {
                        if first != located && self.tree.link(located, &first, self.entries).is_err() {
                            return Err(refuse(Problem::LinkTarget));
                        }
                        // Some archivers give a file's data with the last of its names.
                        if content.size > 0 {
                            self.tree.fill(&first, content);
                        }
                        return Ok(());
                    }
                    self.hard_links.insert(identity, located.clone());
                }
                Kind::File(content)
            }
            file_type::SYMLINK => {
                let mut target = Vec::new();
                data.take(self.limits.path_len as u64 + 1)
                    .read_to_end(&mut target)?;
                if target.is_empty() || target.len() > self.limits.path_len || target.contains(&0) {
                    return Err(refuse(Problem::Path));
                }
                Kind::Symlink(target)
            }
            file_type::CHARACTER_DEVICE => Kind::CharacterDevice(entry.device.0, entry.device.1),
            file_type::BLOCK_DEVICE => Kind::BlockDevice(entry.device.0, entry.device.1),
            file_type::FIFO => Kind::Fifo,
            _ => return Err(refuse(Problem::Type)),
        };
        let inode = Inode {
            kind,
            permissions: entry.mode & 0o7777,
            uid: entry.uid,
            gid: entry.gid,
            xattrs: Default::default(),
        };
        self.tree.put(located, inode, self.entries).map_err(refuse)
    }
}
