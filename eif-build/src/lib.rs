//! Images to enclave image files (EIF): pull, unpack, build, measure, describe, sign, verify, extract.
#![forbid(unsafe_code)]

pub mod bundle;
pub mod cpio;
pub mod digest;
pub mod eif;
pub mod rootfs;
