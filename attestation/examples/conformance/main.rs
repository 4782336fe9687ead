//! The conformance suite: a document for each rule, right and wrong, that a verifier in any language can be held
//! against. `cargo run --release -p attestation --example conformance -- FOLDER` writes it, with a `manifest.json`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // It shares the authority of the tests.

#[path = "../../tests/verification/authority.rs"]
#[allow(dead_code)] // What only the tests need.
mod authority;
mod suite;
#[path = "../../tests/verification/support.rs"]
#[allow(dead_code)]
mod support;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        eprintln!("usage: conformance FOLDER; the suite is written there");
        return ExitCode::from(2);
    };
    let cases = suite::cases();
    match suite::write(&folder, &cases) {
        Ok(()) => {
            println!(
                "{} documents and manifest.json in {}",
                cases.len(),
                folder.display()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!(
                "cannot write the suite to {}: {error}; give a folder that can be written",
                folder.display()
            );
            ExitCode::FAILURE
        }
    }
}
