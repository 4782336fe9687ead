//! How large the cache may become: what was used least recently goes first, and nothing while an image of it is used.
use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
    time::SystemTime,
};

use super::{super::Descriptor, Cache, Error, TEMPORARY};
use crate::digest::Digest;

/// A blob that is in the cache.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// When it was fetched or used last.
    pub used: SystemTime,
}

/// While it lives, no program removes anything from the cache.
#[derive(Debug)]
pub struct InUse {
    _lock: File,
}

impl Cache {
    /// What is in the cache, that which was used least recently first.
    pub fn blobs(&self) -> Result<Vec<Blob>, Error> {
        let mut blobs: Vec<Blob> = self.files()?.iter().filter_map(Blob::of).collect();
        blobs.sort_by_key(|blob| blob.used);
        Ok(blobs)
    }

    /// Removes what was used least recently until the rest is within the limit, and tells what it removed.
    pub fn prune(&self) -> Result<Vec<Blob>, Error> {
        self.prune_but(&[], self.limit)?.ok_or_else(|| Error::InUse {
            path: self.folder.clone(),
        })
    }

    /// Makes room for an image of this manifest and blobs, unless another image is in use, and keeps the cache as it is
    /// from then on.
    pub(in super::super) fn enter(&self, manifest: Digest, blobs: &[&Descriptor]) -> Result<InUse, Error> {
        let is_missing = |blob: &&&Descriptor| self.get(&blob.digest, blob.size).is_none();
        let missing = blobs.iter().filter(is_missing).map(|blob| blob.size);
        let missing = missing.fold(0u64, u64::saturating_add);
        let wanted: Vec<Digest> = blobs.iter().map(|blob| blob.digest).chain([manifest]).collect();
        self.prune_but(&wanted, self.limit.saturating_sub(missing))?;
        self.in_use()
    }

    /// Keeps the cache as it is from now on. Whatever is put into the cache is put there under this lock.
    pub(super) fn in_use(&self) -> Result<InUse, Error> {
        let lock = self.lock_file()?;
        lock.lock_shared().map_err(|source| self.failed_at(source))?;
        Ok(InUse { _lock: lock })
    }

    /// `None` if the cache is in use.
    fn prune_but(&self, wanted: &[Digest], limit: u64) -> Result<Option<Vec<Blob>>, Error> {
        let lock = self.lock_file()?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(source)) => return Err(self.failed_at(source)),
        }
        self.remove_left_behind()?;
        let mut blobs = self.blobs()?;
        let mut excess = Blob::total(&blobs).saturating_sub(limit);
        blobs.retain(|blob| {
            let goes = excess > 0 && !wanted.contains(&blob.digest);
            let gone = goes && fs::remove_file(self.path(&blob.digest)).is_ok();
            if gone {
                excess = excess.saturating_sub(blob.size);
            }
            gone
        });
        Ok(Some(blobs))
    }

    /// Nothing that is unfinished is being written: the cache is locked.
    fn remove_left_behind(&self) -> Result<(), Error> {
        for file in self.files()? {
            if file.file_name().to_string_lossy().starts_with(TEMPORARY) {
                // Whether it is gone already does not matter.
                let _ = fs::remove_file(file.path());
            }
        }
        Ok(())
    }

    fn files(&self) -> Result<Vec<fs::DirEntry>, Error> {
        let folder = self.blobs_folder();
        match fs::read_dir(&folder).and_then(Iterator::collect) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            files => files.map_err(|source| Error::File { path: folder, source }),
        }
    }

    fn lock_file(&self) -> Result<File, Error> {
        let path = self.folder()?.join("lock");
        let opened = File::options().create(true).append(true).open(&path);
        opened.map_err(|source| Error::File { path, source })
    }

    fn failed_at(&self, source: io::Error) -> Error {
        let path = self.folder.join("lock");
        Error::File { path, source }
    }
}

impl Blob {
    /// The bytes of all of them.
    pub fn total(blobs: &[Self]) -> u64 {
        blobs.iter().fold(0, |sum, blob| sum.saturating_add(blob.size))
    }

    fn of(file: &fs::DirEntry) -> Option<Self> {
        let digest = format!("sha256:{}", file.file_name().to_str()?);
        let metadata = file.metadata().ok()?;
        Some(Self {
            digest: digest.parse().ok()?,
            size: metadata.len(),
            used: metadata.modified().ok()?,
        })
    }
}

/// A blob's time of change is the time of its last use: a file system's own time of access is often off.
pub(super) fn note_use(path: &Path) {
    // Where it cannot be noted the blob counts as older than it is, and may be fetched again.
    let _ = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
}
