//! Process 1 of the enclave.
fn main() {}
