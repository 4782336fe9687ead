//! A folder of bundles: `<hex>/{manifest.json,kernel,cmdline,boot.cpio}`, and a file `default`.
use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{BootRamdisk, Bundle, Error, MAX_PART, Machine, read};
use crate::digest::Digest;

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
    /// load order. What is there already is left as it is.
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

    /// Keeps a bundle; it appears whole or not at all.
    pub fn put(&self, bundle: &Bundle) -> Result<(), Error> {
        let folder = self.path(&bundle.digest());
        let attempt = || -> io::Result<()> {
            fs::create_dir_all(&self.folder)?;
            let temporary = tempfile::Builder::new()
                .prefix(".new-")
                .permissions(fs::Permissions::from_mode(0o755))
                .tempdir_in(&self.folder)?;
            fs::write(temporary.path().join("kernel"), &bundle.kernel)?;
            fs::write(temporary.path().join("cmdline"), &bundle.cmdline)?;
            fs::write(temporary.path().join("boot.cpio"), &bundle.boot)?;
            fs::write(
                temporary.path().join("manifest.json"),
                bundle.manifest().to_json(),
            )?;
            match fs::rename(temporary.path(), &folder) {
                Err(_) if folder.join("manifest.json").exists() => Ok(()),
                result => result,
            }
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
        let folder = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            result => result.map_err(|source| Error::File {
                path: self.folder.clone(),
                source,
            })?,
        };
        let mut digests: Vec<Digest> = folder
            .filter_map(|entry| Digest::from_hex(entry.ok()?.file_name().to_str()?).ok())
            .collect();
        digests.sort();
        Ok(digests)
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.hex())
    }
}
