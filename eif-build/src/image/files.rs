//! Blobs as ranges of files: whole files of a folder, or members of a tar archive, which is never unpacked.
use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::Error;

/// The most members of an archive that are looked at.
const MAX_MEMBERS: usize = 10_000;
/// As many links are followed one after the other as the kernel follows.
const MAX_LINKS: usize = 40;
/// How what is compressed begins, and what makes it an archive again.
const COMPRESSED: [(&[u8], &str); 2] = [(b"\x1f\x8b", "gunzip"), (b"\x28\xb5\x2f\xfd", "unzstd")];

/// Bytes of a file.
#[derive(Debug, Clone)]
pub struct FileRange {
    /// The file.
    pub path: PathBuf,
    /// Where the bytes begin.
    pub offset: u64,
    /// How many they are.
    pub size: u64,
}

impl FileRange {
    /// Opens the bytes.
    pub fn open(&self) -> io::Result<io::Take<File>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(file.take(self.size))
    }

    /// All of the bytes, unless they are more than `limit`.
    pub(super) fn read(&self, limit: u64) -> Result<Vec<u8>, Error> {
        if self.size > limit {
            return Err(Error::TooLarge {
                what: format!("a document of {} bytes in {}", self.size, self.path.display()),
            });
        }
        let mut bytes = Vec::new();
        let read = self.open().and_then(|mut file| file.read_to_end(&mut bytes));
        read.map_err(|source| Error::File {
            path: self.path.clone(),
            source,
        })?;
        Ok(bytes)
    }
}

/// A set of named files: a folder, or a tar archive.
#[derive(Debug)]
pub(super) enum Files {
    Folder(PathBuf),
    Archive {
        path: PathBuf,
        members: HashMap<String, Member>,
    },
}

/// What an archive has by a name.
#[derive(Debug)]
pub(super) enum Member {
    File {
        offset: u64,
        size: u64,
    },
    /// A symbolic link, to the member of this name.
    Link(String),
}

impl Files {
    pub(super) fn folder(path: &Path) -> Self {
        Self::Folder(path.into())
    }

    /// Finds the members of a tar archive.
    pub(super) fn archive(path: &Path) -> Result<Self, Error> {
        let members = list_members(path).map_err(|source| match source.raw_os_error() {
            Some(_) => Error::File {
                path: path.into(),
                source,
            },
            // What the system did not say is wrong with the archive itself.
            None => Error::Malformed {
                what: "archive",
                problem: format!("{}: {source}", path.display()),
            },
        })?;
        Ok(Self::Archive {
            path: path.into(),
            members,
        })
    }

    /// Where a file's bytes are; `None` if there is no such file. `name` is one of ours: it never climbs.
    pub(super) fn find(&self, name: &str) -> Option<FileRange> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let size = path.metadata().ok().filter(|metadata| metadata.is_file())?.len();
                Some(FileRange {
                    path,
                    offset: 0,
                    size,
                })
            }
            Self::Archive { path, members } => {
                let mut member = members.get(name)?;
                for _ in 0..MAX_LINKS {
                    match member {
                        Member::Link(target) => member = members.get(target)?,
                        Member::File { .. } => break,
                    }
                }
                match *member {
                    Member::Link(_) => None,
                    Member::File { offset, size } => Some(FileRange {
                        path: path.clone(),
                        offset,
                        size,
                    }),
                }
            }
        }
    }

    /// A file that must be there.
    pub(super) fn need(&self, name: &str) -> Result<FileRange, Error> {
        let (Self::Folder(path) | Self::Archive { path, .. }) = self;
        self.find(name).ok_or_else(|| Error::NotFound {
            image: path.display().to_string(),
            cause: format!("it has no {}", contract::fault::printable(name, 200)),
        })
    }
}

fn list_members(path: &Path) -> io::Result<HashMap<String, Member>> {
    let mut file = File::open(path)?;
    let mut start = Vec::new();
    (&mut file).take(4).read_to_end(&mut start)?;
    if let Some((_, mend)) = COMPRESSED.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Err(io::Error::other(format!("it is compressed; {mend} it first")));
    }
    file.rewind()?;
    let mut archive = tar::Archive::new(file);
    let mut members = HashMap::new();
    // Raw: names of what is looked for are short, and long ones are not read into memory.
    for entry in archive.entries_with_seek()?.raw(true) {
        let entry = entry?;
        if members.len() == MAX_MEMBERS {
            return Err(io::Error::other(format!("more than {MAX_MEMBERS} members")));
        }
        let name = String::from_utf8_lossy(&entry.header().path_bytes()).into_owned();
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        let kind = entry.header().entry_type();
        if kind.is_file() {
            let (offset, size) = (entry.raw_file_position(), entry.size());
            members.insert(name, Member::File { offset, size });
        } else if kind.is_symlink()
            && let Some(target) = entry.header().link_name_bytes()
            && let Some(target) = linked(&name, &String::from_utf8_lossy(&target))
        {
            // As Docker before 25 saves a layer that equals another.
            members.insert(name, Member::Link(target));
        }
    }
    Ok(members)
}

/// The name that a link leads to; `None` outside the archive.
fn linked(name: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut path: Vec<&str> = name.split('/').collect();
    path.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(path.pop()?),
            part => path.push(part),
        }
    }
    Some(path.join("/"))
}
