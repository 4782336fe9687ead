//! Files that must be whole, and logs that must not grow.

use crate::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Makes a directory that its owner alone may enter; its parents must exist.
pub(crate) fn make_private_dir(path: &Path) -> Result<(), Error> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made.map_err(Error::io("make the directory", path)),
    }
}

/// Writes a file whole or not at all, mode 0600, and returns once the disk has it.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let temporary = path.with_extension("new");
    let write = || {
        let mut options = File::options();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&temporary);
        Error::io("write", path)(source)
    })
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(File::open(path)?, limit + 1), &mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("more than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

/// Removes what may be gone already.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// A log in two files, `<path>` and the one before it, `<path>.1`, each of at most `limit` bytes.
#[derive(Debug)]
pub(crate) struct RotatingLog {
    path: PathBuf,
    limit: u64,
    file: File,
    written: u64,
}

impl RotatingLog {
    /// Goes on with the log at `path`, or begins it.
    pub(crate) fn open(path: PathBuf, limit: u64) -> io::Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)?;
        let written = file.metadata()?.len();
        Ok(Self {
            path,
            limit,
            file,
            written,
        })
    }

    /// The file before the one at `path`.
    pub(crate) fn previous(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(".1");
        name.into()
    }
}

impl Write for RotatingLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written > 0 && self.written.saturating_add(bytes.len() as u64) > self.limit {
            fs::rename(&self.path, Self::previous(&self.path))?;
            *self = Self::open(self.path.clone(), self.limit)?;
        }
        let part = bytes.len().min(usize::try_from(self.limit).unwrap_or(usize::MAX));
        let count = self.file.write(bytes.get(..part).unwrap_or(bytes))?;
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The end of a hostile output as text: at most `limit` bytes, whole lines where there are some, nothing that would
/// move a terminal's cursor but line ends and tabs.
pub(crate) fn text_tail(bytes: &[u8], limit: usize) -> String {
    let from = bytes.len().saturating_sub(limit);
    let text: String = String::from_utf8_lossy(bytes.get(from..).unwrap_or_default())
        .chars()
        .filter(|c| matches!(c, '\n' | '\t') || !c.is_control())
        .collect();
    let text = match text.split_once('\n') {
        Some((_, whole)) if from > 0 && !whole.is_empty() => whole,
        _ => &text,
    };
    // A broken character became one of three bytes: cut again, from the front.
    let mut start = text.len().saturating_sub(limit);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or_default().to_owned()
}

/// `text`, cut to `limit` bytes.
pub(crate) fn bounded(mut text: String, limit: usize) -> String {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_never_grows_over_its_two_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        for round in 0..3 {
            let mut log = RotatingLog::open(path.clone(), 100).unwrap();
            for line in 0..50 {
                writeln!(log, "round {round} line {line}").unwrap();
            }
            log.write_all(&[b'x'; 1000]).unwrap();
        }
        let sizes = [&path, &RotatingLog::previous(&path)].map(|path| fs::metadata(path).unwrap().len());
        assert!(sizes.iter().all(|size| *size <= 100), "{sizes:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_durably(&path, b"one").unwrap();
        write_durably(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert!(write_durably(&dir.path().join("none/b"), b"x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(read_bounded(&path, 2).is_err());
        assert_eq!(read_bounded(&path, 3).unwrap(), b"two");
    }

    #[test]
    fn a_tail_is_bounded_and_harmless() {
        assert_eq!(text_tail(b"first\nsecond\nthird\n", 12), "third\n");
        assert_eq!(text_tail(b"a\x1b[31mb\r\n", 100), "a[31mb\n");
        assert_eq!(text_tail(b"", 5), "");
        assert_eq!(bounded("aé".into(), 2), "a");
    }

    proptest::proptest! {
        #[test]
        fn tails_hold_to_their_bound(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600), limit in 0_usize..100) {
            assert!(text_tail(&bytes, limit).len() <= limit);
        }
    }
}
