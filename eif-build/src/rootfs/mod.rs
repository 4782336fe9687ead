//! An image's file system: its layers applied in order to a tree in memory, the files' contents in a spool.
//!
//! What the layers say is hostile. Nothing of it touches the builder's own file system: a path is only ever a key of the
//! tree, and symbolic links are followed within it.
mod ahead;
mod layer;
pub(crate) mod path;
mod pax;
mod spool;
mod steps;
mod tree;
mod users;

pub(crate) use layer::MAX_ZSTD_WINDOW_LOG;
pub use layer::{PackedLayer, apply};
pub use spool::{Extent, Spool};
pub use tree::{Inode, Kind, Tree};

use std::io;

use crate::digest::Digest;

/// How much an image may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of all layers, compressed, and again decompressed.
    pub total_bytes: u64,
    /// Entries of all layers.
    pub entries: u64,
    /// Layers.
    pub layers: usize,
    /// Bytes of one path, and of one symbolic link's target. With the ramdisk's prefix it must stay below 4096.
    pub path_len: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total_bytes: 8 << 30,
            entries: 500_000,
            layers: 256,
            path_len: 4000,
        }
    }
}

/// Why an image's layers are refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// More bytes than allowed.
    #[error("the image has more than {0} bytes unpacked; leave out of it what the application does not need")]
    TooManyBytes(u64),
    /// More entries than allowed.
    #[error("the image has more than {0} entries; leave out of it what the application does not need")]
    TooManyEntries(u64),
    /// More names and extended headers than are held in memory.
    #[error(
        "the image's names and extended headers have more than {0} bytes: it has absurdly long or deep paths"
    )]
    TooManyNames(u64),
    /// An entry that is refused.
    #[error("entry {path:?}: {problem}")]
    Entry {
        /// The entry's path, made printable.
        path: String,
        /// What is wrong.
        problem: Problem,
    },
    /// A layer is no tar archive, or its compression is broken.
    #[error("it is not a sound archive: {0}; build the image again")]
    Malformed(String),
    /// What one of the layers is refused for.
    #[error("layer {number} ({diff_id}): {problem}")]
    Layer {
        /// Its number, from 1, the lowest.
        number: usize,
        /// Its diff_id, the digest of the plain archive.
        diff_id: Digest,
        /// Why.
        problem: Box<Error>,
    },
    /// The unpacked layer is not the one that the image's configuration names.
    #[error("a layer unpacks to {found} instead of {expected} (its diff_id); the image is damaged")]
    DiffId {
        /// The digest in the configuration.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// The layer is not the one that the manifest names.
    #[error("a layer has the digest {found} instead of {expected}; it is damaged, fetch the image again")]
    Digest {
        /// The digest in the manifest.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// The image's user is not in its passwd or group file.
    #[error(
        "the image runs as {0:?}, which its /etc/passwd or /etc/group does not have; use numbers, or add it"
    )]
    UnknownUser(String),
    /// Reading the layer, or writing the spool, failed.
    #[error("unpacking a layer: {0}")]
    Io(#[from] io::Error),
}

impl Error {
    /// Names the layer, where that is not said yet.
    fn of_layer(self, number: usize, diff_id: Digest) -> Self {
        match self {
            Self::Entry { .. } | Self::Malformed(_) => Self::Layer {
                number,
                diff_id,
                problem: Box::new(self),
            },
            other => other,
        }
    }
}

/// What is wrong with a layer's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The path leaves the image.
    #[error("it leaves the image's file system")]
    Escape,
    /// The path begins with a slash.
    #[error("its path is absolute")]
    Absolute,
    /// The path is empty, too long or has a NUL.
    #[error("its path is empty, too long or has a NUL")]
    Path,
    /// Symbolic links that lead round.
    #[error("too many symbolic links on its path")]
    LinkLoop,
    /// Symbolic links or whiteouts that would take the builder minutes.
    #[error(
        "the image's paths take too many steps through symbolic links and whiteouts; name files by where links lead"
    )]
    Steps,
    /// A parent is a file.
    #[error("something on its path is not a directory")]
    NotADirectory,
    /// The path was there in the same layer.
    #[error("the layer has it twice")]
    Duplicate,
    /// A hard link to what is not there, or is a directory.
    #[error("a hard link to what is not a file of the image")]
    LinkTarget,
    /// A cpio archive cannot hold it.
    #[error("files of 4 GiB and more are not possible in an enclave")]
    TooLarge,
    /// Header and extended header say different sizes.
    #[error("its header and its extended header say different sizes")]
    Sizes,
    /// An entry type that images do not have.
    #[error("an entry of an unknown or sparse type")]
    Type,
    /// Extended headers that are not sound.
    #[error("its extended header is malformed or too long")]
    Extension,
    /// A field out of its range.
    #[error("a number of its header is malformed or too large")]
    Number,
    /// An extended attribute that is too long, or on a name that is not UTF-8.
    #[error("its extended attributes are too long, or its name is not UTF-8")]
    Xattr,
}

impl Problem {
    pub(crate) fn at(self, path: &[u8]) -> Error {
        Error::Entry {
            path: contract::fault::printable(&String::from_utf8_lossy(path), 200),
            problem: self,
        }
    }
}
