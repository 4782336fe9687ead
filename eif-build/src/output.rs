//! Output files: whole or not at all, and nothing in the place of what is no file.
use std::{
    fs::{self, File, Metadata, Permissions},
    io::{self, BufWriter, Seek, SeekFrom, Write},
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, PermissionsExt, fchown},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

/// Where a file without a name is found by its number (open(2), O_TMPFILE).
const OPEN_FILES: &str = "/proc/self/fd";

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Where it would go is something that must not be replaced.
    #[error("{}: {problem}", path.display())]
    Refused {
        /// The output.
        path: PathBuf,
        /// What is there.
        problem: &'static str,
    },
    /// It cannot be written.
    #[error("{}: {source}", path.display())]
    File {
        /// The output.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

/// What `fill` writes to.
pub(crate) type Output<'a> = BufWriter<Watched<'a>>;

/// Has `fill` write a file that appears under its name whole or not at all. One that it replaces keeps its mode and owner,
/// and a symbolic link is followed. It is not forced to the disk: after a loss of power an EIF's CRC tells.
pub(crate) fn write_whole<T, E: From<Error>>(
    output: &Path,
    fill: impl FnOnce(&mut Output<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let failed = |source| Error::File {
        path: output.into(),
        source,
    };
    let (target, replaced) = target(output)?;
    let unnamed = Unnamed::new_in(folder(&target)).map_err(failed)?;
    let mut failure = None;
    let mut buffered = BufWriter::with_capacity(1 << 18, Watched::new(unnamed.file(), &mut failure));
    let filled = fill(&mut buffered).and_then(|result| {
        buffered.flush().map_err(failed)?;
        Ok(result)
    });
    // Not again when it is dropped: what was not written then is not wanted.
    drop(buffered.into_parts());
    match failure {
        // Whatever `fill` made of it.
        Some(error) => Err(failed(error).into()),
        None => {
            let result = filled?;
            unnamed.appear(&target, replaced.as_ref()).map_err(failed)?;
            Ok(result)
        }
    }
}

/// Refuses an output that is one of the inputs.
pub(crate) fn refuse_same(output: &Path, input: &Path) -> Result<(), Error> {
    let place = |path| fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
    match (place(output), place(input)) {
        (Some(one), Some(other)) if one == other => Err(Error::Refused {
            path: output.into(),
            problem: "it is an input too, which would be lost; name another output",
        }),
        _ => Ok(()),
    }
}

/// The file that is to be made, and what is there already.
fn target(output: &Path) -> Result<(PathBuf, Option<Metadata>), Error> {
    let refuse = |problem| Error::Refused {
        path: output.into(),
        problem,
    };
    match fs::metadata(output) {
        Ok(there) if there.is_dir() => Err(refuse("it is a folder; name a file in it")),
        Ok(there) if !there.is_file() => Err(refuse(
            "it is a device or the like, which a file would replace; name a file (`measure` writes none)",
        )),
        Ok(there) => match fs::canonicalize(output) {
            Ok(target) => Ok((target, Some(there))),
            Err(source) => Err(Error::File {
                path: output.into(),
                source,
            }),
        },
        Err(_) if output.is_symlink() => Err(refuse(
            "it is a symbolic link that leads to nothing; name the file itself, or remove the link",
        )),
        Err(_) => Ok((output.into(), None)),
    }
}

fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// A file that has no name yet, so that nothing is left of it however the program ends; on file systems that cannot do so,
/// one under a name of its own.
enum Unnamed {
    Without(File),
    Named(tempfile::NamedTempFile),
}

impl Unnamed {
    fn new_in(folder: &Path) -> io::Result<Self> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::open(folder, flags, Mode::from_raw_mode(0o666)) {
            Ok(file) if Path::new(OPEN_FILES).exists() => Ok(Self::Without(file.into())),
            _ => temporary().tempfile_in(folder).map(Self::Named),
        }
    }

    fn file(&self) -> &File {
        match self {
            Self::Without(file) => file,
            Self::Named(file) => file.as_file(),
        }
    }

    /// Gives it its name, in place of what has that now.
    fn appear(self, target: &Path, replaced: Option<&Metadata>) -> io::Result<()> {
        if let Some(replaced) = replaced {
            // Only root may give files away; the new one is its writer's then.
            let _ = fchown(self.file(), Some(replaced.uid()), Some(replaced.gid()));
            let mode = Permissions::from_mode(replaced.mode() & 0o777);
            self.file().set_permissions(mode)?;
        }
        match self {
            Self::Named(file) => file.persist(target).map_err(|error| error.error).map(drop),
            Self::Without(file) => match link(&file, target) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => replace(&file, target),
                linked => linked,
            },
        }
    }
}

/// Names can be given only where there is none: it gets one of its own first, for as long as it takes.
fn replace(file: &File, target: &Path) -> io::Result<()> {
    let linked = temporary().make_in(folder(target), |name| link(file, name))?;
    linked.persist(target).map_err(|error| error.error).map(drop)
}

fn link(file: &File, name: &Path) -> io::Result<()> {
    let open = format!("{OPEN_FILES}/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, open, CWD, name, AtFlags::SYMLINK_FOLLOW)?)
}

fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut temporary = tempfile::Builder::new();
    temporary
        .prefix(".treza-eif-")
        .permissions(Permissions::from_mode(0o666));
    temporary
}

/// Remembers how writing failed: what writes to it may be reading as well, and cannot tell the one from the other.
pub(crate) struct Watched<'a> {
    file: &'a File,
    failure: &'a mut Option<io::Error>,
}

impl<'a> Watched<'a> {
    fn new(file: &'a File, failure: &'a mut Option<io::Error>) -> Self {
        Self { file, failure }
    }

    fn watch<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        done.inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                let code = error.raw_os_error();
                *self.failure = Some(code.map_or_else(|| error.kind().into(), io::Error::from_raw_os_error));
            }
        })
    }
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        self.watch(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = self.file.seek(to);
        self.watch(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<std::ffi::OsString> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|it| it.unwrap().file_name()).collect()
    }

    #[test]
    fn nothing_has_a_name_until_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("a");
        let can = matches!(Unnamed::new_in(folder.path()), Ok(Unnamed::Without(_)));
        for content in ["first", "second"] {
            let before = names(folder.path());
            write_whole(&output, |file| {
                file.write_all(content.as_bytes()).unwrap();
                file.flush().unwrap();
                assert!(!can || names(folder.path()) == before);
                Ok::<_, Error>(())
            })
            .unwrap();
            assert_eq!(fs::read(&output).unwrap(), content.as_bytes());
            assert_eq!(names(folder.path()), ["a"]);
        }
        if !can {
            eprintln!("skipped in part: this file system gives every file a name");
        }
    }

    #[test]
    fn a_failure_of_the_output_is_told_of_the_output() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("a");
        let failed = write_whole(&output, |file| {
            // Before its beginning: as good as any other that a file system refuses.
            let refused = file.seek(SeekFrom::Current(-1)).unwrap_err();
            Err::<(), Error>(Error::File {
                path: "input".into(),
                source: refused,
            })
        });
        let said = failed.unwrap_err().to_string();
        assert!(said.starts_with(&output.display().to_string()), "{said}");
        assert!(names(folder.path()).is_empty());
    }
}
