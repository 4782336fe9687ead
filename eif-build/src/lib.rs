//! Images to enclave image files (EIF): pull, unpack, build, measure, describe, sign, verify, extract.
//!
//! - from a reference to an EIF or its measurement: [`resolve`], [`measure`], [`build`]
//! - an EIF that is there: [`inspect`], [`sign`], [`verify`], [`extract`]
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
mod open;
mod options;
pub mod ramdisk;
pub mod rootfs;

pub use build::{Labels, Measurement, build, build_from_files, measure, resolve};
pub use error::Error;
pub use image::ImageRef;
pub use inspect::{Inspection, inspect};
pub use open::{extract, sign, verify};
pub use options::{Options, Progress};
