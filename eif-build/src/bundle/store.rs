//! A folder of bundles: `<hex>/{manifest.json,kernel,cmdline,boot.cpio}`, and files `default` and `lock`.
use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{BootRamdisk, Bundle, Error, MAX_PART, Machine, archive, read};
use crate::digest::Digest;

/// How the names of folders begin that are being written or removed.
const UNFINISHED: &str = ".new-";

/// A folder of bundles, each in a folder that has the hexadecimal digits of its digest as its name.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store in `folder`, which need not exist before something is put into it.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The store's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a bundle from files and keeps it: kernel (a bzImage), command line, the agent's static program, modules in
    /// load order. If it is there already and sound, it is left as it is.
    pub fn create(
        &self,
        kernel: &Path,
        cmdline: &str,
        agent: &Path,
        modules: &[PathBuf],
        machine: Machine,
    ) -> Result<Bundle, Error> {
        let kernel = read(kernel, MAX_PART)?;
        let boot = BootRamdisk::read(agent, modules)?
            .to_cpio()
            .map_err(|source| Error::File {
                path: agent.into(),
                source,
            })?;
        let bundle = Bundle::new(kernel, cmdline.to_owned(), boot, machine)?;
        self.put(&bundle)?;
        Ok(bundle)
    }

    /// Keeps a bundle; it appears whole or not at all. If it is there already and sound, it is left as it is; if it is
    /// damaged, it is replaced.
    pub fn put(&self, bundle: &Bundle) -> Result<(), Error> {
        let digest = bundle.digest();
        let folder = self.path(&digest);
        let attempt = || -> io::Result<()> {
            fs::create_dir_all(&self.folder)?;
            let _alone = self.alone()?;
            if self.open(&digest).is_ok() {
                return Ok(());
            }
            let temporary = tempfile::Builder::new()
                .prefix(UNFINISHED)
                .permissions(fs::Permissions::from_mode(0o755))
                .tempdir_in(&self.folder)?;
            for (name, bytes) in bundle.parts() {
                fs::write(temporary.path().join(name), bytes)?;
            }
            if folder.symlink_metadata().is_ok() {
                self.remove(&folder)?;
            }
            fs::rename(temporary.path(), &folder)
        };
        attempt().map_err(|source| Error::File {
            path: folder.clone(),
            source,
        })
    }

    /// Opens a bundle and checks every part of it.
    pub fn open(&self, digest: &Digest) -> Result<Bundle, Error> {
        let folder = self.path(digest);
        if !folder.exists() {
            return Err(Error::Unknown {
                digest: *digest,
                store: self.folder.clone(),
            });
        }
        let bundle = Bundle::open(&folder)?;
        if bundle.digest() != *digest {
            let (path, expected, found) = (folder.join("manifest.json"), *digest, bundle.digest());
            return Err(Error::Damaged {
                path,
                expected,
                found,
            });
        }
        Ok(bundle)
    }

    /// The digest of the bundle that is used where none is named.
    pub fn default_digest(&self) -> Result<Digest, Error> {
        let path = self.folder.join("default");
        match read(&path, 100) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                text.trim()
                    .parse()
                    .map_err(|source| Error::Default { path, source })
            }
            Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(Error::NoDefault(path))
            }
            Err(error) => Err(error),
        }
    }

    /// Names the bundle that is used where none is named.
    pub fn set_default(&self, digest: &Digest) -> Result<(), Error> {
        let path = self.folder.join("default");
        let attempt = || -> io::Result<()> {
            let temporary = tempfile::Builder::new()
                .permissions(fs::Permissions::from_mode(0o644))
                .tempfile_in(&self.folder)?;
            fs::write(temporary.path(), format!("{digest}\n"))?;
            temporary.persist(&path)?;
            Ok(())
        };
        attempt().map_err(|source| Error::File {
            path: path.clone(),
            source,
        })
    }

    /// The digests of the bundles that are kept, ascending. They are not opened.
    pub fn list(&self) -> Result<Vec<Digest>, Error> {
        let mut digests: Vec<Digest> = self
            .names()?
            .iter()
            .filter_map(|name| Digest::from_hex(name).ok())
            .collect();
        digests.sort();
        Ok(digests)
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        let failed = |source| Error::File {
            path: self.folder.clone(),
            source,
        };
        let folder = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            result => result.map_err(failed)?,
        };
        let name = |entry: io::Result<fs::DirEntry>| Some(entry.ok()?.file_name().to_str()?.to_owned());
        Ok(folder.filter_map(name).collect())
    }

    /// Writes a bundle into a file that another store can import; the same bundle gives the same bytes.
    pub fn export(&self, digest: &Digest, output: &Path) -> Result<Bundle, Error> {
        let bundle = self.open(digest)?;
        archive::write(&bundle, output)?;
        Ok(bundle)
    }

    /// Takes a bundle from a file that was exported, and keeps it.
    pub fn import(&self, file: &Path) -> Result<Bundle, Error> {
        let bundle = archive::read(file)?;
        self.put(&bundle)?;
        Ok(bundle)
    }

    /// Removes every bundle but the default and those to `keep`, and what a killed program left half written. Rows and EIFs
    /// that name a removed bundle cannot be measured again until it is imported or made anew. Errors: without a default, or
    /// without one of those to keep, nothing is removed.
    pub fn prune(&self, keep: &[Digest]) -> Result<Vec<Digest>, Error> {
        let default = self.default_digest()?;
        let failed = |source| Error::File {
            path: self.folder.clone(),
            source,
        };
        let _alone = self.alone().map_err(failed)?;
        let kept = self.list()?;
        if let Some(missing) = keep.iter().find(|digest| !kept.contains(digest)) {
            return Err(Error::Unknown {
                digest: *missing,
                store: self.folder.clone(),
            });
        }
        let (_, removed): (Vec<_>, Vec<_>) = kept
            .into_iter()
            .partition(|digest| *digest == default || keep.contains(digest));
        for digest in &removed {
            self.remove(&self.path(digest)).map_err(failed)?;
        }
        for name in self.names()? {
            if name.starts_with(UNFINISHED) {
                fs::remove_dir_all(self.folder.join(name)).map_err(failed)?;
            }
        }
        Ok(removed)
    }

    /// Removes a bundle's folder, which vanishes whole.
    fn remove(&self, folder: &Path) -> io::Result<()> {
        let doomed = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&self.folder)?;
        fs::rename(folder, doomed.path().join("bundle"))?;
        doomed.close()
    }

    /// While it lives, no other program adds bundles or removes them: what is unfinished was left behind.
    fn alone(&self) -> io::Result<File> {
        let path = self.folder.join("lock");
        let lock = File::options().create(true).append(true).open(path)?;
        lock.lock()?;
        Ok(lock)
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.hex())
    }
}
