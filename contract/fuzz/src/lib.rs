//! What the fuzz targets stand on: the targets themselves.

#[path = "../targets.rs"]
pub mod targets;
