//! The host daemon: launches enclaves, holds them, challenges them, reports their evidence.
fn main() {}
