//! The file's header and the sections' headers.
use super::Error;

pub(crate) const MAGIC: [u8; 4] = *b".eif";
pub(crate) const VERSION: u16 = 4;
/// The file header's size in bytes.
pub(crate) const HEADER_SIZE: usize = 548;
/// A section header's size in bytes.
pub(crate) const SECTION_HEADER_SIZE: usize = 12;
/// The entries of the section table, used or not.
pub(crate) const MAX_SECTIONS: usize = 32;
/// The largest signature section, in bytes.
pub(crate) const MAX_SIGNATURE: u64 = 32_768;
/// The largest command line that is held in memory, in bytes; Linux takes 2,048 on x86.
pub(crate) const MAX_CMDLINE: u64 = 65_536;
/// The largest metadata that is held in memory, in bytes.
pub(crate) const MAX_METADATA: u64 = 1 << 20;
/// Where the CRC stands; it covers every byte of the file but itself.
pub(crate) const CRC_OFFSET: usize = HEADER_SIZE - 4;
/// Bit 0 of the flags: the image is for arm64.
const FLAG_ARM64: u16 = 1;
/// What aws-nitro-enclaves-image-format writes as defaults, which the hypervisor does not use.
const DEFAULT_MEMORY: u64 = 1 << 30;
const DEFAULT_CPUS: u64 = 2;

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SectionKind {
    /// The kernel, a bzImage.
    Kernel,
    /// The kernel's command line, text without a terminator.
    Cmdline,
    /// A cpio archive; the first is the boot ramdisk, the others are the application.
    Ramdisk,
    /// Certificate and signature, CBOR.
    Signature,
    /// Where the image comes from, JSON; not measured.
    Metadata,
}

impl SectionKind {
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Kernel => 1,
            Self::Cmdline => 2,
            Self::Ramdisk => 3,
            Self::Signature => 4,
            Self::Metadata => 5,
        }
    }

    /// Its name, as it is written everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Cmdline => "cmdline",
            Self::Ramdisk => "ramdisk",
            Self::Signature => "signature",
            Self::Metadata => "metadata",
        }
    }

    fn from_code(code: u16) -> Option<Self> {
        [
            Self::Kernel,
            Self::Cmdline,
            Self::Ramdisk,
            Self::Signature,
            Self::Metadata,
        ]
        .into_iter()
        .find(|kind| kind.code() == code)
    }

    /// The most bytes that such a section may have.
    pub(crate) fn limit(self) -> u64 {
        match self {
            Self::Signature => MAX_SIGNATURE,
            Self::Cmdline => MAX_CMDLINE,
            Self::Metadata => MAX_METADATA,
            Self::Kernel | Self::Ramdisk => u64::MAX,
        }
    }
}

/// One section: what it holds and where its data stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Section {
    /// What the section holds.
    pub kind: SectionKind,
    /// Where the section's header begins, in bytes from the file's start; its data begin 12 bytes later.
    pub offset: u64,
    /// The size of the section's data in bytes.
    pub size: u64,
}

impl Section {
    /// Where the section's data begin.
    pub fn data_offset(&self) -> u64 {
        self.offset + SECTION_HEADER_SIZE as u64
    }

    /// Where the next section begins.
    pub(crate) fn end(&self) -> Option<u64> {
        self.offset
            .checked_add(SECTION_HEADER_SIZE as u64)?
            .checked_add(self.size)
    }

    pub(crate) fn header(kind: SectionKind, size: u64) -> [u8; SECTION_HEADER_SIZE] {
        let mut bytes = [0; SECTION_HEADER_SIZE];
        bytes[..2].copy_from_slice(&kind.code().to_be_bytes());
        bytes[4..].copy_from_slice(&size.to_be_bytes());
        bytes
    }

    /// Reads a section's header: what it holds and its size.
    pub(crate) fn parse_header(bytes: &[u8; SECTION_HEADER_SIZE]) -> Result<(SectionKind, u64), Error> {
        let code = u16_at(bytes, 0);
        let kind = SectionKind::from_code(code)
            .ok_or_else(|| Error::Malformed(format!("a section has the unknown type {code}")))?;
        if u16_at(bytes, 2) != 0 {
            return Err(Error::Malformed(
                "a section has flags, which version 4 does not know".into(),
            ));
        }
        Ok((kind, u64_at(bytes, 4)))
    }
}

/// The file's header: the section table and the CRC.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    /// Offset and size of each section, in bytes.
    pub(crate) table: Vec<(u64, u64)>,
    /// CRC-32/ISO-HDLC over the file without this field.
    pub(crate) crc: u32,
    /// The image is for arm64.
    pub(crate) arm64: bool,
    /// Bytes of memory that the builder had in mind.
    pub(crate) memory: u64,
    /// CPUs that the builder had in mind.
    pub(crate) cpus: u64,
}

impl Header {
    /// The header of a file without sections.
    pub(crate) fn new(arm64: bool) -> Self {
        Self {
            table: Vec::new(),
            crc: 0,
            arm64,
            memory: DEFAULT_MEMORY,
            cpus: DEFAULT_CPUS,
        }
    }

    /// Reads a header; a table that is not within the format is refused, whether it fits the file is not looked at.
    pub(crate) fn parse(bytes: &[u8; HEADER_SIZE]) -> Result<Self, Error> {
        if bytes[..4] != MAGIC {
            return Err(Error::Malformed("it does not begin with .eif".into()));
        }
        let version = u16_at(bytes, 4);
        if version != VERSION {
            return Err(Error::Malformed(format!(
                "it has version {version}, only 4 is read; build it again"
            )));
        }
        let flags = u16_at(bytes, 6);
        if flags & !FLAG_ARM64 != 0 || u16_at(bytes, 24) != 0 || u32_at(bytes, 540) != 0 {
            return Err(Error::Malformed(
                "a reserved field of the header is not zero".into(),
            ));
        }
        let count = usize::from(u16_at(bytes, 26));
        if !(2..=MAX_SECTIONS).contains(&count) {
            return Err(Error::Malformed(format!(
                "it claims {count} sections; 2 to {MAX_SECTIONS} are possible"
            )));
        }
        let entry = |number: usize| (u64_at(bytes, 28 + 8 * number), u64_at(bytes, 284 + 8 * number));
        if (count..MAX_SECTIONS).any(|number| entry(number) != (0, 0)) {
            return Err(Error::Malformed(
                "the section table has entries after its last section".into(),
            ));
        }
        Ok(Self {
            table: (0..count).map(entry).collect(),
            crc: u32_at(bytes, CRC_OFFSET),
            arm64: flags & FLAG_ARM64 != 0,
            memory: u64_at(bytes, 8),
            cpus: u64_at(bytes, 16),
        })
    }

    pub(crate) fn to_bytes(&self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&VERSION.to_be_bytes());
        bytes[6..8].copy_from_slice(&(if self.arm64 { FLAG_ARM64 } else { 0 }).to_be_bytes());
        bytes[8..16].copy_from_slice(&self.memory.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.cpus.to_be_bytes());
        bytes[26..28].copy_from_slice(&(self.table.len() as u16).to_be_bytes());
        for (number, (offset, size)) in self.table.iter().enumerate() {
            bytes[28 + 8 * number..][..8].copy_from_slice(&offset.to_be_bytes());
            bytes[284 + 8 * number..][..8].copy_from_slice(&size.to_be_bytes());
        }
        bytes[CRC_OFFSET..].copy_from_slice(&self.crc.to_be_bytes());
        bytes
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes_at(bytes, at).map_or(0, u16::from_be_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes_at(bytes, at).map_or(0, u32::from_be_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes_at(bytes, at).map_or(0, u64::from_be_bytes)
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}
