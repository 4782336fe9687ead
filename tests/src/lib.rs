//! End to end, across programs: what the tests in `tests/` stand on. It runs the programs as they were built, and
//! everything that it starts ends with it.
//!
//! - [`Local`]: a local pipeline in a folder of its own, and rows written into it as any client would write them
//! - [`Registry`]: an OCI registry, and small images in it ([`Image`])
//! - [`estate`]: what AWS does between the programs: functions run, streams delivered, instances booted
//! - [`programs`]: where programs, bundle and scripts stand; [`processes`]: what runs
// A harness ends the test that it cannot serve.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![forbid(unsafe_code)]

pub mod estate;
mod http;
mod image;
mod local;
pub mod processes;
pub mod programs;
mod registry;

pub use http::get;
pub use image::{Image, application, layout, nsm_probe};
pub use local::Local;
pub use programs::Answer;
pub use registry::Registry;
