//! The enclave image file, version 4: read, written, measured, signed and verified.
//!
//! All integers are big-endian. A header of 548 bytes (`header`) names every section; each section has its own header of
//! 12 bytes. The format is AWS's, described in aws-nitro-enclaves-image-format.
mod header;
mod measure;
mod metadata;
mod pcr;
mod reader;
mod signature;
mod sums;
mod writer;

use measure::Measurer;

pub use header::{Section, SectionKind};
pub use metadata::{BuildMetadata, DEFAULT_BUILD_TIME, Metadata};
pub use pcr::{Pcr, Pcrs};
pub use reader::{Checked, Crc, Eif};
pub use signature::{Certificate, Signature, Signer};
pub use writer::{Finished, Writer, resign};

use std::io;

/// Why an EIF is refused, or cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file breaks the format.
    #[error("not a sound EIF: {0}")]
    Malformed(String),
    /// The section table and the sections' own headers disagree: the hypervisor follows the one, other readers the other.
    #[error("the EIF is two images in one: section {section}: {problem}; build or sign it again")]
    Table {
        /// The section's number, from 0.
        section: usize,
        /// Where the two disagree.
        problem: String,
    },
    /// The CRC in the header is not the file's.
    #[error(
        "the EIF is damaged: its header says CRC {expected:08x}, its bytes give {found:08x}; build or fetch it again"
    )]
    Crc {
        /// The CRC in the header.
        expected: u32,
        /// The CRC of the bytes.
        found: u32,
    },
    /// The EIF has no signature.
    #[error("the EIF is not signed; sign it with `treza-eif sign`")]
    Unsigned,
    /// The signature section is not sound, or its signature is not the certificate's.
    #[error("the EIF's signature is refused: {0}")]
    Signature(String),
    /// Key or certificate cannot be used for signing.
    #[error("cannot sign with this key and certificate: {0}")]
    Key(String),
    /// More sections, or larger ones, than the format holds.
    #[error("cannot write the EIF: {0}")]
    Unwritable(String),
    /// What a section is to be made of cannot be.
    #[error("{0}")]
    Input(String),
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}
