//! `treza-eif`: enclave image files from container images, and back.
#![forbid(unsafe_code)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
