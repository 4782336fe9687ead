//! Images to enclave image files (EIF): pull, unpack, build, measure, describe, sign, verify, extract.
//!
//! - from a reference to an EIF or its measurement: [`resolve`], [`measure`], [`build`]
//! - what an EIF holds: [`inspect`]
//! - the parts: the image ([`image`]), its file system ([`rootfs`]), its ramdisk ([`ramdisk`], [`cpio`]), kernel and agent
//!   ([`bundle`]), the file itself ([`eif`])
#![forbid(unsafe_code)]

mod build;
pub mod bundle;
pub mod cpio;
pub mod digest;
pub mod eif;
mod error;
pub mod image;
mod inspect;
mod options;
pub mod ramdisk;
pub mod rootfs;

pub use build::{Labels, Measurement, build, measure, resolve};
pub use error::Error;
pub use image::ImageRef;
pub use inspect::{Inspection, inspect};
pub use options::{Options, Progress};
