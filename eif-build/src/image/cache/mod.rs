//! The cache of fetched blobs: `blobs/sha256/<hex>`, each written whole or not at all.
mod room;

pub use room::{Blob, InUse};

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    pin::pin,
};

use futures_util::{Stream, StreamExt};

use super::{Error, FileRange, check_size};
use crate::digest::{Digest, Hasher};

/// How the names of unfinished blobs begin.
const TEMPORARY: &str = ".new-";

/// A folder of blobs that are named by their digests. Several programs may use it at once.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
}

impl Cache {
    /// As many bytes are kept unless another limit is set: some dozens of images.
    pub const DEFAULT_LIMIT: u64 = 10 << 30;

    /// The cache in `folder`, which is made when something is put into it. It keeps at most
    /// [`Cache::DEFAULT_LIMIT`] bytes.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            limit: Self::DEFAULT_LIMIT,
        }
    }

    /// The same cache, kept at `limit` bytes: room is made before an image is fetched, unless another image is in use. An
    /// image that is larger is still fetched.
    pub fn with_limit(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// The cache's folder, made if it is missing.
    pub(crate) fn folder(&self) -> Result<&Path, Error> {
        fs::create_dir_all(&self.folder).map_err(|source| Error::CacheFolder {
            path: self.folder.clone(),
            source,
        })?;
        Ok(&self.folder)
    }

    /// A blob, if it is here with this size. Who reads it checks its digest.
    pub(super) fn get(&self, digest: &Digest, size: u64) -> Option<FileRange> {
        let path = self.path(digest);
        let metadata = path.metadata().ok()?;
        if metadata.len() != size {
            return None;
        }
        room::note_use(&path);
        Some(FileRange {
            path,
            offset: 0,
            size,
        })
    }

    /// A document of at most `limit` bytes, if it is here undamaged.
    pub(super) fn read(&self, digest: &Digest, limit: u64) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let size = path.metadata().ok()?.len();
        let bytes = FileRange {
            path,
            offset: 0,
            size,
        }
        .read(limit)
        .ok()?;
        room::note_use(&self.path(digest));
        (Digest::of(&bytes) == *digest).then_some(bytes)
    }

    /// Keeps a document.
    pub(super) fn put(&self, digest: &Digest, bytes: &[u8]) -> Result<(), Error> {
        let _in_use = self.in_use()?;
        let mut file = self.temporary(digest)?;
        file.write_all(bytes)
            .map_err(|source| self.failed(digest, source))?;
        self.keep(digest, file)
    }

    /// Keeps a blob of exactly `size` bytes that arrives in pieces, while the cache is in use; `arrived` is told each
    /// piece's size.
    pub(super) async fn fetch<B: AsRef<[u8]>>(
        &self,
        digest: &Digest,
        size: u64,
        pieces: impl Stream<Item = Result<B, Error>>,
        arrived: impl Fn(u64),
    ) -> Result<FileRange, Error> {
        let mut file = self.temporary(digest)?;
        let (mut hasher, mut left) = (Hasher::default(), size);
        let mut pieces = pin!(pieces);
        while let Some(piece) = pieces.next().await.transpose()? {
            let piece = piece.as_ref();
            left = left
                .checked_sub(piece.len() as u64)
                .ok_or_else(|| Error::TooLarge {
                    what: format!(
                        "a layer {digest} that is longer than the {size} bytes which its manifest says"
                    ),
                })?;
            hasher.update(piece);
            file.write_all(piece)
                .map_err(|source| self.failed(digest, source))?;
            arrived(piece.len() as u64);
        }
        let found = hasher.finish();
        if found != *digest {
            return Err(Error::WrongDigest {
                what: "a layer",
                expected: *digest,
                found,
            });
        }
        check_size("a layer", size - left, size)?;
        self.keep(digest, file)?;
        Ok(FileRange {
            path: self.path(digest),
            offset: 0,
            size,
        })
    }

    /// Forgets a blob that turned out to be damaged.
    pub(crate) fn forget(&self, digest: &Digest) {
        // Whether it was there at all does not matter.
        let _ = fs::remove_file(self.path(digest));
    }

    fn temporary(&self, digest: &Digest) -> Result<tempfile::NamedTempFile, Error> {
        let folder = self.blobs_folder();
        fs::create_dir_all(&folder)
            .and_then(|()| tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(&folder))
            .map_err(|source| self.failed(digest, source))
    }

    fn keep(&self, digest: &Digest, file: tempfile::NamedTempFile) -> Result<(), Error> {
        file.persist(self.path(digest))
            .map(drop)
            .map_err(|error| self.failed(digest, error.error))
    }

    fn failed(&self, digest: &Digest, source: io::Error) -> Error {
        Error::File {
            path: self.path(digest),
            source,
        }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.blobs_folder().join(digest.hex())
    }

    fn blobs_folder(&self) -> PathBuf {
        self.folder.join("blobs/sha256")
    }
}
