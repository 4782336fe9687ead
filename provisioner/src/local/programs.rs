//! What a local pipeline needs on its machine.

use super::Error;
use eif_build::bundle::Store;
use std::path::PathBuf;

/// The emulator's machine.
const QEMU: &str = "qemu-system-x86_64";

/// This program.
pub(super) fn this() -> Result<PathBuf, Error> {
    std::env::current_exe().map_err(Error::file("find", "this program".as_ref()))
}

/// A program that is installed beside this one.
pub(super) fn beside(name: &str) -> Result<PathBuf, Error> {
    let program = this()?.with_file_name(name);
    if program.is_file() {
        return Ok(program);
    }
    Err(Error::Missing {
        what: program.display().to_string(),
        mend: "install it beside treza, or build it: `cargo build --release -p host-daemon`",
    })
}

/// Checks that QEMU is installed.
pub(super) fn qemu() -> Result<(), Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(QEMU).is_file()) {
        return Ok(());
    }
    Err(Error::Missing {
        what: QEMU.into(),
        mend: "install it: `apt-get install qemu-system-x86`",
    })
}

/// The folder of bundles, with a default one in it that can be opened.
pub(super) fn bundles(chosen: Option<PathBuf>) -> Result<PathBuf, Error> {
    let folder = match chosen {
        Some(folder) => folder,
        None => this()?
            .parent()
            .and_then(|folder| folder.parent())
            .map(|folder| folder.join("bundles"))
            .unwrap_or_default(),
    };
    let folder = std::path::absolute(&folder).map_err(Error::file("use", &folder))?;
    let store = Store::new(&folder);
    match store.default_digest().and_then(|digest| store.open(&digest)) {
        Ok(_) => Ok(folder),
        Err(error) => Err(Error::Missing {
            what: format!("the bundle of kernel and agent in {} ({error})", folder.display()),
            mend: "build it: `make bundle`, or give --bundles",
        }),
    }
}
