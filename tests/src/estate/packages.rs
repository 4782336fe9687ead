//! What is deployed, of the programs as they were built.

use crate::programs::{Answer, programs, run, target, top};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The functions' `bootstrap`: static where that was built, else as all programs.
pub(crate) fn lambda_program() -> PathBuf {
    let made = std::env::var_os("TREZA_LAMBDA").map(PathBuf::from);
    let path = made.unwrap_or_else(|| programs().join("treza-lambda"));
    assert!(path.is_file(), "{} is missing: `make programs`", path.display());
    path
}

/// Makes the functions' package in `folder`.
pub fn functions_package(folder: &Path) -> PathBuf {
    let (program, package) = (folder.join("bootstrap"), folder.join("functions.zip"));
    fs::copy(lambda_program(), &program).unwrap();
    let python = target().join("estate-venv/bin/python");
    let words = [
        "-m".into(),
        "zipfile".into(),
        "-c".into(),
        package.clone(),
        program,
    ];
    run(python.to_str().unwrap(), words);
    package
}

/// Makes the hosts' package in `folder`.
pub fn host_package(folder: &Path) -> PathBuf {
    let folder = folder.join("package");
    let mut script = Command::new(top().join("scripts/package.sh"));
    Answer::of(script.arg(&folder).env("PROGRAMS", programs())).good();
    // It stands beside its checksum.
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|is| is == "gz"))
        .last()
        .expect("a package")
}
