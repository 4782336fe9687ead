//! What the fuzz targets stand on: the tests' enclave, and the targets themselves.
#![allow(dead_code)]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../targets.rs"]
pub mod targets;
