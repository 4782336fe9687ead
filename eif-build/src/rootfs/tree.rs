//! The tree: paths in byte order, each naming an inode, so that its archive is always the same.
use std::collections::{BTreeMap, VecDeque};

use super::{Extent, Problem, Spool, path, steps::Steps};

/// As many symbolic links as Linux follows on one path.
const MAX_LINKS: usize = 40;

/// An image's file system.
#[derive(Debug)]
pub struct Tree {
    names: BTreeMap<Vec<u8>, Name>,
    inodes: Vec<Inode>,
    /// The bytes of all names that were ever put: what the tree holds in memory.
    held: u64,
    /// Steps taken so far.
    steps: Steps,
    pub(crate) spool: Spool,
}

#[derive(Debug)]
struct Name {
    inode: usize,
    /// The layer that last had this path, or something below it.
    layer: usize,
    /// The layer that last took away what lower ones had below: doing it again finds nothing.
    cleared: usize,
}

/// What a path names; paths that are hard links of one another name the same.
#[derive(Debug, Clone)]
pub struct Inode {
    /// What it is.
    pub kind: Kind,
    /// Permissions with the set-id and sticky bits: 0 to 0o7777.
    pub permissions: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Extended attributes, by name: `security.capability` and the `user` namespace.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What an inode is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file and where its content stands.
    File(Extent),
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
    /// A character device, major and minor number.
    CharacterDevice(u32, u32),
    /// A block device, major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

impl Inode {
    fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }

    /// The directory that stands where layers have entries below it but none for itself.
    fn implied_directory() -> Self {
        Self {
            kind: Kind::Directory,
            permissions: 0o755,
            uid: 0,
            gid: 0,
            xattrs: BTreeMap::new(),
        }
    }
}

impl Tree {
    /// A tree with nothing but its root.
    pub fn new(spool: Spool) -> Self {
        let root = Name {
            inode: 0,
            layer: 0,
            cleared: 0,
        };
        Self {
            names: BTreeMap::from([(Vec::new(), root)]),
            inodes: vec![Inode::implied_directory()],
            held: 0,
            steps: Steps::default(),
            spool,
        }
    }

    /// Paths, ascending, with the number of the inode and the inode. The root, the empty path, comes first, a directory
    /// before what is in it.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], usize, &Inode)> {
        self.names
            .iter()
            .filter_map(|(path, name)| Some((&path[..], name.inode, self.inodes.get(name.inode)?)))
    }

    /// The number of inodes that were ever made; each inode's number is below it.
    pub fn inode_count(&self) -> usize {
        self.inodes.len()
    }

    /// The bytes of all names that were ever put, those of implied directories too.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// The spool with the files' contents.
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    /// What a path names; the path's last part is not followed.
    pub fn get(&self, path: &[u8]) -> Option<&Inode> {
        self.names.get(path).and_then(|name| self.inodes.get(name.inode))
    }

    /// Gives the file at a located path, under every name that it has, another content.
    pub(crate) fn fill(&mut self, path: &[u8], content: Extent) {
        let inode = self.names.get(path).map(|name| name.inode);
        let kind = inode.and_then(|number| Some(&mut self.inodes.get_mut(number)?.kind));
        if let Some(Kind::File(extent)) = kind {
            *extent = content;
        }
    }

    /// Follows every symbolic link of a path, as within the image: an absolute target begins at the image's root. A link
    /// that climbs above the root is refused, though a chroot would stop it there: no honest layer has one.
    pub(super) fn follow(&self, path: &[u8]) -> Result<Vec<u8>, Problem> {
        self.walk(path, &mut Steps::default())
    }

    /// The same, and counts the steps.
    fn walk(&self, path: &[u8], steps: &mut Steps) -> Result<Vec<u8>, Problem> {
        let mut ahead: VecDeque<&[u8]> = path.split(|&byte| byte == b'/').collect();
        let mut reached = Vec::new();
        let mut links = 0;
        while let Some(part) = ahead.pop_front() {
            steps.take(&reached)?;
            match part {
                b"" | b"." => continue,
                b".." if path::pop(&mut reached) => continue,
                b".." => return Err(Problem::Escape),
                name => path::push(&mut reached, name),
            }
            if let Some(Inode {
                kind: Kind::Symlink(target),
                ..
            }) = self.get(&reached)
            {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Problem::LinkLoop);
                }
                path::pop(&mut reached);
                if target.starts_with(b"/") {
                    reached.clear();
                }
                for part in target.split(|&byte| byte == b'/').rev() {
                    ahead.push_front(part);
                }
            }
        }
        Ok(reached)
    }

    /// Follows the links of all but the last part: where an entry of this path stands.
    pub(crate) fn locate(&mut self, path: &[u8]) -> Result<Vec<u8>, Problem> {
        let Some((parent, name)) = path::split(path) else {
            return Ok(Vec::new());
        };
        let mut steps = self.steps;
        let mut located = self.walk(parent, &mut steps)?;
        self.steps = steps;
        path::push(&mut located, name);
        Ok(located)
    }

    /// Puts an inode at a located path, over what lower layers had there; directories merge.
    pub(crate) fn put(&mut self, path: Vec<u8>, inode: Inode, layer: usize) -> Result<(), Problem> {
        let was_directory = match self.names.get(&path) {
            Some(name) => {
                let directory = self.inodes.get(name.inode).is_some_and(Inode::is_directory);
                if name.layer == layer && !(directory && inode.is_directory()) {
                    return Err(Problem::Duplicate);
                }
                directory
            }
            None => false,
        };
        if was_directory && !inode.is_directory() {
            if path.is_empty() {
                return Err(Problem::NotADirectory);
            }
            self.remove_below(&path, |_| true)?;
        }
        self.make_parents(&path, layer)?;
        self.held += path.len() as u64;
        self.inodes.push(inode);
        self.name(path, self.inodes.len() - 1, layer);
        Ok(())
    }

    /// Puts another name for what stands at a located path.
    pub(crate) fn link(&mut self, path: Vec<u8>, target: &[u8], layer: usize) -> Result<(), Problem> {
        let inode = self
            .names
            .get(target)
            .map(|name| name.inode)
            .ok_or(Problem::LinkTarget)?;
        // The root too is no place for one: as a link to a symbolic link it would lead out of the image.
        let is_root = path.is_empty();
        if is_root || path == target || self.inodes.get(inode).is_none_or(Inode::is_directory) {
            return Err(Problem::LinkTarget);
        }
        match self.names.get(&path) {
            Some(name) if name.layer == layer => return Err(Problem::Duplicate),
            _ => self.remove_below(&path, |_| true)?,
        }
        self.make_parents(&path, layer)?;
        self.held += path.len() as u64;
        self.name(path, inode, layer);
        Ok(())
    }

    fn name(&mut self, path: Vec<u8>, inode: usize, layer: usize) {
        let cleared = self.names.get(&path).map_or(0, |name| name.cleared);
        let name = Name {
            inode,
            layer,
            cleared,
        };
        self.names.insert(path, name);
    }

    /// A whiteout: removes what lower layers have at a located path, and below it.
    pub(super) fn remove_lower(&mut self, path: &[u8], layer: usize) -> Result<(), Problem> {
        if !path.is_empty() && self.names.get(path).is_some_and(|name| name.layer < layer) {
            self.names.remove(path);
        }
        self.remove_lower_below(path, layer)
    }

    /// An opaque directory: removes what lower layers have below a located path.
    pub(super) fn remove_lower_below(&mut self, path: &[u8], layer: usize) -> Result<(), Problem> {
        if let Some(name) = self.names.get_mut(path) {
            if name.cleared == layer {
                return Ok(());
            }
            name.cleared = layer;
        }
        self.remove_below(path, |name| name.layer < layer)
    }

    fn remove_below(&mut self, path: &[u8], which: impl Fn(&Name) -> bool) -> Result<(), Problem> {
        let mut first = path.to_vec();
        if !first.is_empty() {
            first.push(b'/');
        }
        let mut doomed = Vec::new();
        let below = self.names.range(first.clone()..);
        for (name, found) in below.take_while(|(name, _)| name.starts_with(&first)) {
            self.steps.take(name)?;
            if !name.is_empty() && which(found) {
                doomed.push(name.clone());
            }
        }
        for name in doomed {
            self.names.remove(&name);
        }
        Ok(())
    }

    /// Makes the directories above a located path where they are missing, and notes that this layer has something there.
    fn make_parents(&mut self, path: &[u8], layer: usize) -> Result<(), Problem> {
        let mut parent = path;
        while let Some((above, _)) = path::split(parent) {
            parent = above;
            match self.names.get_mut(parent) {
                Some(name) => {
                    if self
                        .inodes
                        .get(name.inode)
                        .is_none_or(|inode| !inode.is_directory())
                    {
                        return Err(Problem::NotADirectory);
                    }
                    if name.layer == layer {
                        break;
                    }
                    name.layer = layer;
                }
                None => {
                    self.held += parent.len() as u64;
                    self.inodes.push(Inode::implied_directory());
                    self.names.insert(
                        parent.to_vec(),
                        Name {
                            inode: self.inodes.len() - 1,
                            layer,
                            cleared: 0,
                        },
                    );
                }
            }
        }
        Ok(())
    }
}
