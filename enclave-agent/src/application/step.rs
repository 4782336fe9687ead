//! The steps that the application's file system is made of.

use nix::mount::{MsFlags, mount};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("the application's file system: cannot {step}: {source}")]
pub(super) struct RootError {
    step: String,
    source: io::Error,
}

/// Names a step for its error.
pub(super) fn failed<E: Into<io::Error>>(step: impl Into<String>) -> impl FnOnce(E) -> RootError {
    move |source| RootError {
        step: step.into(),
        source: source.into(),
    }
}

/// Mounts a file system at `target`, which is made if it is missing.
pub(super) fn mount_at(kind: &str, target: &str, flags: MsFlags, options: &str) -> Result<(), RootError> {
    directory(target, 0o755)?;
    mount(Some(kind), target, Some(kind), flags, Some(options))
        .map_err(failed(format!("mount {kind} at {target}")))
}

/// Makes a directory where there is none.
pub(super) fn directory(path: &str, mode: u32) -> Result<(), RootError> {
    if Path::new(path).is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.and_then(|()| fs::set_permissions(path, PermissionsExt::from_mode(mode)))
        .map_err(failed(format!("make the directory {path}")))
}
