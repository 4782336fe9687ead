//! Images to enclave image files (EIF): pull, unpack, build, measure, describe, sign, verify, extract, compare.
//!
//! - from a reference to an EIF or its measurement: [`resolve`], [`measure`], [`build`]
//! - an EIF that is there: [`describe`], [`inspect`], [`sign`], [`verify`], [`extract`], [`diff`]
//! - the parts: the image ([`image`]), its file system ([`rootfs`]), its ramdisk ([`ramdisk`], [`cpio`]), kernel and agent
//!   ([`bundle`]), the file itself ([`eif`])
#![forbid(unsafe_code)]

mod build;
pub mod bundle;
pub mod cpio;
mod diff;
pub mod digest;
pub mod eif;
mod error;
mod extract;
pub mod image;
mod initramfs;
mod inspect;
mod options;
pub mod output;
pub mod ramdisk;
pub mod rootfs;
mod sign;
mod verify;

pub use build::{Labels, Measurement, build, build_from_files, measure, resolve, weigh};
pub use diff::{Difference, diff};
pub use error::Error;
pub use extract::{LeftOut, RootFs, extract};
pub use image::ImageRef;
pub use inspect::{Inspection, describe, inspect};
pub use options::{Compression, Options, Progress};
pub use sign::sign;
pub use verify::{Check, Subject, Verification, verify};
