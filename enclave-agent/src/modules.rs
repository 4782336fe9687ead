//! Kernel modules, for kernels that bring their drivers as such (Debian's). Ours has none.

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Where the boot ramdisk has them, named `NN-name.ko` so that their names' order is the loading order.
pub const FOLDER: &str = "/treza/modules";

/// A kernel module that cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[error("cannot load the kernel module {}: {source}; the boot ramdisk must hold the modules of its own kernel", path.display())]
pub struct ModuleError {
    path: PathBuf,
    source: io::Error,
}

/// Loads the modules of `folder` in the order of their names. No folder: nothing to load.
pub fn load(folder: &Path) -> Result<(), ModuleError> {
    for path in in_order(folder) {
        let loaded =
            File::open(&path).and_then(|file| match finit_module(&file, c"", ModuleInitFlags::empty()) {
                Ok(()) | Err(Errno::EEXIST) => Ok(()),
                Err(errno) => Err(errno.into()),
            });
        loaded.map_err(|source| ModuleError { path, source })?;
    }
    Ok(())
}

fn in_order(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_the_order_and_no_folder_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["10-b.ko", "02-c.ko", "01-a.ko"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        let names: Vec<_> = in_order(folder.path())
            .into_iter()
            .map(|path| path.file_name().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["01-a.ko", "02-c.ko", "10-b.ko"]);
        load(Path::new("/no/such/folder")).unwrap();
    }

    #[test]
    fn a_file_that_is_no_module_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("00-x.ko"), b"no module").unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().contains("00-x.ko"));
    }
}
