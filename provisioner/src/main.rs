//! The pipeline from a row to an attested enclave, and the user's command.
fn main() {}
