//! The application as it runs: started by the real program of the agent in real namespaces, from a small tree of this
//! machine's own programs. Needs root; without it, every test says that it skips.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod image;
mod isolation;
mod life;
mod tree;

use std::process::Command;

#[test]
fn the_program_is_of_no_use_but_as_process_1() {
    let output = Command::new(env!("CARGO_BIN_EXE_treza-agent")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("process 1 of an enclave"));
}
