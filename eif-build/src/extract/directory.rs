//! A tree written into a new folder, by anyone: what only root may do is left out.
//!
//! The tree's paths are clean, and of each path every parent is a directory of the tree, made here before: no link of
//! the image is ever followed.
use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::{self, File, Permissions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
};

use super::{LeftOut, entries};
use crate::rootfs::{Kind, Tree};

/// Writes what stands below `root` of the tree into `folder`, which does not exist.
pub(super) fn write(tree: &Tree, root: &[u8], folder: &Path) -> io::Result<LeftOut> {
    let mut left_out = LeftOut::default();
    let mut written: HashMap<usize, PathBuf> = HashMap::new();
    let mut directories = Vec::new();
    for (path, number, inode) in entries(tree, root) {
        let to = folder.join(OsStr::from_bytes(path));
        match &inode.kind {
            Kind::Directory => {
                fs::create_dir(&to)?;
                directories.push((to, inode.permissions));
            }
            Kind::File(_) if written.contains_key(&number) => {
                let first = written.get(&number).unwrap_or(&to);
                fs::hard_link(first, &to)?;
            }
            Kind::File(extent) => {
                let mut file = File::create_new(&to)?;
                io::copy(&mut tree.spool().read(*extent), &mut file)?;
                // The caller can always read and remove what it extracted.
                file.set_permissions(Permissions::from_mode(inode.permissions & 0o777 | 0o600))?;
                left_out.set_id += usize::from(inode.permissions & 0o6000 != 0);
                written.insert(number, to);
            }
            Kind::Symlink(target) => symlink(OsStr::from_bytes(target), &to)?,
            Kind::CharacterDevice(..) | Kind::BlockDevice(..) | Kind::Fifo => left_out.devices += 1,
        }
    }
    // Last and from the leaves up: a directory that may not be written could not be filled.
    for (directory, permissions) in directories.into_iter().rev() {
        fs::set_permissions(directory, Permissions::from_mode(permissions & 0o777 | 0o700))?;
    }
    Ok(left_out)
}
