//! Reading: structure first, then one pass over the bytes for CRC and measurements.
use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    mem,
    path::Path,
};

use super::{
    Certificate, Error, Measurer, Metadata, Pcrs, Section, SectionKind, Signature,
    header::{CRC_OFFSET, HEADER_SIZE, Header, SECTION_HEADER_SIZE},
    measure::PIECE,
    signature,
};

/// How much is buffered of small reads, in bytes; what is larger is read as it is asked for.
const BUFFER: usize = 1 << 13;

/// An EIF whose structure is sound: the section table fits the file, and walking the sections finds the same.
#[derive(Debug)]
pub struct Eif<R> {
    source: R,
    size: u64,
    header: Header,
    sections: Vec<Section>,
}

/// The CRC of a file, as it is said and as it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crc {
    /// The CRC in the header.
    pub expected: u32,
    /// The CRC of the bytes.
    pub found: u32,
}

impl Crc {
    /// Refuses a damaged file.
    pub fn intact(self) -> Result<(), Error> {
        let Self { expected, found } = self;
        if expected == found {
            Ok(())
        } else {
            Err(Error::Crc { expected, found })
        }
    }
}

/// What one pass over the whole file found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// The registers of the bytes that passed, with PCR8 where the EIF is signed.
    pub pcrs: Pcrs,
    /// The file's CRC.
    pub crc: Crc,
}

impl Checked {
    /// The registers, unless the file is damaged.
    pub fn intact(self) -> Result<Pcrs, Error> {
        self.crc.intact().map(|()| self.pcrs)
    }
}

impl Eif<BufReader<File>> {
    /// Opens a file and checks its structure.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::new(BufReader::with_capacity(BUFFER, File::open(path)?))
    }
}

impl<R: Read + Seek> Eif<R> {
    /// Checks the structure of an EIF: every claim is held against the file's size before anything is allocated.
    pub fn new(mut source: R) -> Result<Self, Error> {
        let size = source.seek(SeekFrom::End(0))?;
        source.seek(SeekFrom::Start(0))?;
        if size < HEADER_SIZE as u64 {
            return Err(Error::Malformed(format!(
                "it has {size} bytes, fewer than its header of {HEADER_SIZE}"
            )));
        }
        let mut bytes = [0; HEADER_SIZE];
        source.read_exact(&mut bytes)?;
        let header = Header::parse(&bytes)?;
        let sections = walk(&mut source, &header, size)?;
        check_order(&sections)?;
        Ok(Self {
            source,
            size,
            header,
            sections,
        })
    }

    /// The file's size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether the image is for arm64.
    pub fn is_arm64(&self) -> bool {
        self.header.arm64
    }

    /// What the header says besides the sections: bytes of memory and CPUs, neither of which anything acts on.
    pub fn defaults(&self) -> (u64, u64) {
        (self.header.memory, self.header.cpus)
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// The sections in the file's order.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The kernel's command line.
    pub fn cmdline(&mut self) -> Result<String, Error> {
        let bytes = self.read_small(SectionKind::Cmdline)?.unwrap_or_default();
        String::from_utf8(bytes).map_err(|_| Error::Malformed("its command line is not UTF-8".into()))
    }

    /// The metadata.
    pub fn metadata(&mut self) -> Result<Metadata, Error> {
        let bytes = self.read_small(SectionKind::Metadata)?.unwrap_or_default();
        serde_json::from_slice(&bytes).map_err(|error| {
            // It may quote the file.
            let problem = contract::fault::printable(&error.to_string(), 200);
            Error::Malformed(format!("its metadata: {problem}"))
        })
    }

    /// The signing certificate, of a signed EIF. That the signature is good is for [`Signature`] to say.
    pub fn certificate(&mut self) -> Result<Option<Certificate>, Error> {
        self.read_small(SectionKind::Signature)?
            .map(|bytes| signature::certificate(&bytes))
            .transpose()
    }

    /// The signature, of a signed EIF.
    pub fn signature(&mut self) -> Result<Signature, Error> {
        let section = self.read_small(SectionKind::Signature)?.ok_or(Error::Unsigned)?;
        Signature::parse(&section)
    }

    /// A reader over one section's data.
    pub fn section(&mut self, section: &Section) -> Result<impl Read + '_, Error> {
        self.source.seek(SeekFrom::Start(section.data_offset()))?;
        Ok((&mut self.source).take(section.size))
    }

    /// Passes every section's data, in order, to `visit` while measuring exactly these bytes: `None` when a section
    /// begins, then its data in pieces.
    pub fn scan(
        &mut self,
        visit: impl FnMut(&Section, Option<&[u8]>) -> Result<(), Error>,
    ) -> Result<Checked, Error> {
        let mut checked = self.measure(visit)?;
        checked.pcrs.pcr8 = self.certificate()?.map(|certificate| certificate.pcr8());
        Ok(checked)
    }

    /// [`Eif::scan`] without a look at the signature, and so without PCR8.
    pub(crate) fn measure(
        &mut self,
        mut visit: impl FnMut(&Section, Option<&[u8]>) -> Result<(), Error>,
    ) -> Result<Checked, Error> {
        let mut measurer = Measurer::new();
        let buffer = measurer.buffer();
        let crc = self.chunks(buffer, |section, data| {
            let Some((buffer, length)) = data else {
                measurer.begin(section.kind);
                return visit(section, None);
            };
            visit(section, buffer.get(..length))?;
            let piece = mem::replace(buffer, measurer.buffer());
            measurer.take(section.kind, piece, length);
            Ok(())
        })?;
        Ok(Checked {
            pcrs: measurer.finish(),
            crc,
        })
    }

    /// [`Eif::scan`] without the measuring: the CRC alone.
    pub(crate) fn pass(
        &mut self,
        mut visit: impl FnMut(&Section, Option<&[u8]>) -> Result<(), Error>,
    ) -> Result<Crc, Error> {
        self.chunks(vec![0; PIECE], |section, data| {
            visit(section, data.and_then(|(buffer, length)| buffer.get(..length)))
        })
    }

    /// Reads all sections, piece by piece, into a buffer of [`PIECE`] bytes; `visit` is given the buffer, which it may
    /// exchange for another, and how much of it is filled, or `None` when a section begins.
    fn chunks(
        &mut self,
        mut buffer: Vec<u8>,
        mut visit: impl FnMut(&Section, Option<(&mut Vec<u8>, usize)>) -> Result<(), Error>,
    ) -> Result<Crc, Error> {
        let mut crc = crc32fast::Hasher::new();
        crc.update(self.header.to_bytes().get(..CRC_OFFSET).unwrap_or_default());
        self.source.seek(SeekFrom::Start(HEADER_SIZE as u64))?;
        for section in &self.sections {
            let mut section_header = [0; SECTION_HEADER_SIZE];
            self.source.read_exact(&mut section_header)?;
            crc.update(&section_header);
            visit(section, None)?;
            let mut left = section.size;
            while left > 0 {
                let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
                let chunk = buffer.get_mut(..length).unwrap_or_default();
                self.source.read_exact(chunk)?;
                crc.update(chunk);
                visit(section, Some((&mut buffer, length)))?;
                left -= length as u64;
            }
        }
        Ok(Crc {
            expected: self.header.crc,
            found: crc.finalize(),
        })
    }

    /// CRC and registers of the whole file.
    pub fn check(&mut self) -> Result<Checked, Error> {
        self.scan(|_, _| Ok(()))
    }

    /// Verifies a signed EIF: CRC, the signature with its certificate's key, and that what was signed is this file's PCR0.
    /// The certificate's dates are for the caller to hold against a clock ([`Certificate::check_dates`]).
    pub fn verify(&mut self) -> Result<(Pcrs, Certificate), Error> {
        let signature = self.signature()?;
        let pcrs = self.check()?.intact()?;
        signature.check_key()?;
        signature.check_value(&pcrs.pcr0)?;
        Ok((pcrs, signature.certificate().clone()))
    }

    /// The data of the one section of a kind whose size is bounded by the format.
    fn read_small(&mut self, kind: SectionKind) -> Result<Option<Vec<u8>>, Error> {
        let Some(section) = self.sections.iter().find(|section| section.kind == kind).copied() else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        self.section(&section)?.read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

/// Walks the sections by their own headers and compares with the table at each step: the hypervisor follows the table,
/// other readers walk, so a file where the two disagree would be two images.
fn walk<R: Read + Seek>(source: &mut R, header: &Header, size: u64) -> Result<Vec<Section>, Error> {
    let mut sections = Vec::new();
    let mut offset = HEADER_SIZE as u64;
    for (number, &(table_offset, table_size)) in header.table.iter().enumerate() {
        let refuse = |problem: String| Error::Malformed(format!("section {number}: {problem}"));
        let disagree = |problem: String| Error::Table {
            section: number,
            problem,
        };
        if table_offset != offset {
            return Err(disagree(format!(
                "the table says it begins at {table_offset}, walking finds it at {offset}"
            )));
        }
        if size.saturating_sub(offset) < SECTION_HEADER_SIZE as u64 {
            return Err(refuse("the file ends before it".into()));
        }
        let mut bytes = [0; SECTION_HEADER_SIZE];
        source.seek(SeekFrom::Start(offset))?;
        source.read_exact(&mut bytes)?;
        let (kind, section_size) = Section::parse_header(&bytes)?;
        if section_size != table_size {
            return Err(disagree(format!(
                "the table says {table_size} bytes, its own header {section_size}"
            )));
        }
        if section_size > kind.limit() {
            return Err(refuse(format!(
                "{section_size} bytes are too many; at most {}",
                kind.limit()
            )));
        }
        let section = Section {
            kind,
            offset,
            size: section_size,
        };
        offset = section
            .end()
            .filter(|&end| end <= size)
            .ok_or_else(|| refuse(format!("it claims {section_size} bytes, more than the file has")))?;
        sections.push(section);
    }
    if offset != size {
        return Err(Error::Malformed(format!(
            "{} bytes follow its last section",
            size - offset
        )));
    }
    Ok(sections)
}

/// One kernel, one command line, then ramdisks; one metadata section; at most one signature.
fn check_order(sections: &[Section]) -> Result<(), Error> {
    let count = |kind| sections.iter().filter(|section| section.kind == kind).count();
    let first = |kind| sections.iter().position(|section| section.kind == kind);
    for kind in [SectionKind::Kernel, SectionKind::Cmdline, SectionKind::Metadata] {
        if count(kind) != 1 {
            return Err(Error::Malformed(format!(
                "it has {} {kind:?} sections instead of one",
                count(kind)
            )));
        }
    }
    if count(SectionKind::Ramdisk) == 0 || count(SectionKind::Signature) > 1 {
        return Err(Error::Malformed(
            "it needs a ramdisk, and has at most one signature".into(),
        ));
    }
    let measured = [SectionKind::Kernel, SectionKind::Cmdline, SectionKind::Ramdisk].map(first);
    if !measured.is_sorted() {
        return Err(Error::Malformed(
            "kernel, command line and ramdisks are not in this order".into(),
        ));
    }
    Ok(())
}
