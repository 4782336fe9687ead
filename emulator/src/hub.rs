//! The CIDs of a hub: its listeners tell enclaves apart by them, so two that run must not have the same.

use crate::Error;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A CID that is taken until this is dropped, or its process ends.
#[derive(Debug)]
pub(crate) struct CidLock {
    path: PathBuf,
    _lock: Flock<File>,
}

impl CidLock {
    /// Takes a CID by a lock on `<hub>/<cid>.lock`.
    pub(crate) fn take(hub: &Path, cid: u32) -> Result<CidLock, Error> {
        let path = hub.join(format!("{cid}.lock"));
        loop {
            let what = format!("locking {}", path.display());
            let file = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(Error::io(what.clone()))?;
            let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => lock,
                Err((_, Errno::EWOULDBLOCK)) => return Err(Error::CidTaken { cid, lock: path }),
                Err((_, errno)) => return Err(Error::io(what)(errno.into())),
            };
            // Whoever had it before may have removed the file between our opening and our locking it.
            let ours = lock.metadata().map_err(Error::io(what))?.ino();
            if std::fs::metadata(&path).is_ok_and(|there| there.ino() == ours) {
                return Ok(CidLock { path, _lock: lock });
            }
        }
    }
}

impl Drop for CidLock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cid_is_taken_once_and_free_again() {
        let hub = tempfile::tempdir().unwrap();
        let first = CidLock::take(hub.path(), 16).unwrap();
        assert!(matches!(
            CidLock::take(hub.path(), 16),
            Err(Error::CidTaken { cid: 16, .. })
        ));
        let other = CidLock::take(hub.path(), 17).unwrap();
        drop((first, other));
        assert_eq!(std::fs::read_dir(hub.path()).unwrap().count(), 0);
        CidLock::take(hub.path(), 16).unwrap();
    }
}
