//! The cache of EIFs: a directory with a bound.

use crate::Error;
use crate::files::{make_private_dir, remove_if_there};
use contract::row::Expected;
use eif_build::digest::Digest;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// EIFs in files, `<key>.eif`; one in the making is `<key>.new`.
#[derive(Debug)]
pub(super) struct Cache {
    dir: PathBuf,
    limit: u64,
}

/// Image, bundle and what the EIF must measure to, in a name for a file: an EIF that changed where it is fetched from
/// is another.
pub(super) fn key(expected: &Expected) -> String {
    let mut words = vec![expected.image_digest.as_str(), &expected.bundle];
    for index in ["0", "1", "2", "8"] {
        words.push(expected.pcrs.get(index).map_or("", String::as_str));
    }
    Digest::of(words.join("\n").as_bytes()).hex()
}

impl Cache {
    /// The cache in `dir` of about `limit` bytes. What was in the making when a daemon was killed is removed.
    pub(super) fn open(dir: PathBuf, limit: u64) -> Result<Self, Error> {
        make_private_dir(&dir)?;
        let cache = Self { dir, limit };
        for path in cache.files("new")? {
            remove_if_there(&path)?;
        }
        Ok(cache)
    }

    /// The EIF of this key and its size, if it is there; it counts as used now.
    pub(super) fn get(&self, key: &str) -> Option<(PathBuf, u64)> {
        let path = self.dir.join(key).with_extension("eif");
        let file = File::options().write(true).open(&path).ok()?;
        // Its age decides who leaves first; an age that is not kept right costs a rebuild, no more.
        let _ = file.set_modified(SystemTime::now());
        Some((path, file.metadata().ok()?.len()))
    }

    /// Where the EIF of this key is to be made.
    pub(super) fn new_file(&self, key: &str) -> PathBuf {
        self.dir.join(key).with_extension("new")
    }

    /// Takes the file that was made, and lets those leave that were not used for longest until all fit again.
    pub(super) fn keep(&self, key: &str) -> Result<(PathBuf, u64), Error> {
        let (new, path) = (self.new_file(key), self.dir.join(key).with_extension("eif"));
        fs::rename(&new, &path).map_err(Error::io("keep", &new))?;
        self.evict(&path)?;
        let bytes = fs::metadata(&path).map_err(Error::io("look at", &path))?.len();
        Ok((path, bytes))
    }

    fn evict(&self, kept: &Path) -> Result<(), Error> {
        let mut all = Vec::new();
        for path in self.files("eif")? {
            let metadata = fs::metadata(&path).map_err(Error::io("look at", &path))?;
            all.push((
                metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                metadata.len(),
                path,
            ));
        }
        all.sort();
        let mut total: u64 = all.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in all {
            if total > self.limit && path != kept {
                remove_if_there(&path)?;
                total -= bytes;
            }
        }
        Ok(())
    }

    fn files(&self, extension: &str) -> Result<Vec<PathBuf>, Error> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(Error::io("list", &self.dir))? {
            let path = entry.map_err(Error::io("list", &self.dir))?.path();
            if path.extension().is_some_and(|found| found == extension) {
                paths.push(path);
            }
        }
        Ok(paths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn keep(cache: &Cache, key: &str, bytes: usize) -> PathBuf {
        fs::write(cache.new_file(key), vec![0; bytes]).unwrap();
        let (path, size) = cache.keep(key).unwrap();
        assert_eq!(size, bytes as u64);
        path
    }

    #[test]
    fn the_longest_unused_leaves_first() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().join("eif"), 100).unwrap();
        for (age, key) in [(30, "a"), (20, "b")] {
            let file = File::options().write(true).open(keep(&cache, key, 40)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age))
                .unwrap();
        }
        assert!(cache.get("a").is_some());
        keep(&cache, "c", 40);
        let there = ["a", "b", "c"].map(|key| cache.get(key).is_some());
        assert_eq!(there, [true, false, true]);
        // Larger than the cache: it is needed all the same.
        keep(&cache, "d", 200);
        let there = ["a", "b", "c", "d"].map(|key| cache.get(key).is_some());
        assert_eq!(there, [false, false, false, true]);
    }

    #[test]
    fn what_was_half_made_does_not_stay() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().join("eif"), 100).unwrap();
        fs::write(cache.new_file("a"), b"half").unwrap();
        drop(Cache::open(dir.path().join("eif"), 100).unwrap());
        assert_eq!(fs::read_dir(dir.path().join("eif")).unwrap().count(), 0);
    }
}
