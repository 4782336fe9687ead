//! Writing in one pass: every byte is measured and summed on its way out.
use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    mem,
};

use super::{
    Eif, Error, Measurer, Metadata, Pcrs, Section, SectionKind, Signer,
    header::{CRC_OFFSET, HEADER_SIZE, Header, MAX_SECTIONS},
    measure::PIECE,
};

/// Writes an EIF, section by section, in the order in which they are given: kernel, command line, metadata, ramdisks.
///
/// With [`io::empty`] as its output it measures without writing. As a [`Write`] it takes the data of the section that
/// began last.
pub struct Writer<W> {
    body: Body<W>,
    measurer: Measurer,
    /// What gathers until it is worth handing over, and how much of it is filled.
    piece: Vec<u8>,
    filled: usize,
}

/// All but the header, summed on its way out.
struct Body<W> {
    output: W,
    header: Header,
    sections: Vec<Section>,
    offset: u64,
    crc: crc32fast::Hasher,
}

/// A whole EIF.
pub struct Finished<W> {
    /// Where it was written.
    pub output: W,
    /// Its registers, with PCR8 if it was signed.
    pub pcrs: Pcrs,
    /// Its size in bytes.
    pub size: u64,
}

impl<W: Write + Seek> Writer<W> {
    /// Begins an EIF at the start of `output`; `arm64` is the machine it is for, x86_64 otherwise.
    pub fn new(output: W, arm64: bool) -> Result<Self, Error> {
        Self::with_header(output, Header::new(arm64))
    }

    fn with_header(mut output: W, header: Header) -> Result<Self, Error> {
        output.write_all(&[0; HEADER_SIZE])?;
        let body = Body {
            output,
            header,
            sections: Vec::new(),
            offset: HEADER_SIZE as u64,
            crc: crc32fast::Hasher::new(),
        };
        let measurer = Measurer::new();
        Ok(Self {
            body,
            piece: measurer.buffer(),
            filled: 0,
            measurer,
        })
    }

    /// Begins a section of `size` bytes, which are then written to `self`.
    pub fn begin(&mut self, kind: SectionKind, size: u64) -> Result<(), Error> {
        self.hand_over()?;
        self.body.begin(kind, size)?;
        self.measurer.begin(kind);
        Ok(())
    }

    /// Writes all of `input` into the section that began last.
    pub fn copy_from(&mut self, mut input: impl Read) -> io::Result<()> {
        loop {
            match input.read(self.piece.get_mut(self.filled..).unwrap_or_default()) {
                Ok(0) => return Ok(()),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.filled == PIECE {
                self.hand_over()?;
            }
        }
    }

    /// Writes what has gathered, and gives it to be measured.
    fn hand_over(&mut self) -> io::Result<()> {
        if self.filled == 0 {
            return Ok(());
        }
        let section = self.body.sections.last();
        let kind = section
            .ok_or_else(|| io::Error::other("data before the first section"))?
            .kind;
        self.body
            .emit(self.piece.get(..self.filled).unwrap_or_default())?;
        let piece = mem::replace(&mut self.piece, self.measurer.buffer());
        self.measurer.take(kind, piece, mem::take(&mut self.filled));
        Ok(())
    }

    /// Writes a section from memory.
    pub fn section(&mut self, kind: SectionKind, data: &[u8]) -> Result<(), Error> {
        self.begin(kind, data.len() as u64)?;
        Ok(self.write_all(data)?)
    }

    /// Writes the metadata section.
    pub fn metadata(&mut self, metadata: &Metadata) -> Result<(), Error> {
        let json = serde_json::to_vec(metadata).map_err(|error| Error::Unwritable(error.to_string()))?;
        self.section(SectionKind::Metadata, &json)
    }

    /// Ends the file: the signature if asked for, then the header with the table and the CRC.
    pub fn finish(mut self, signer: Option<&Signer>) -> Result<Finished<W>, Error> {
        self.hand_over()?;
        let Self {
            mut body, measurer, ..
        } = self;
        let mut pcrs = measurer.finish();
        if let Some(signer) = signer {
            let signature = signer.sign(&pcrs.pcr0)?;
            body.begin(SectionKind::Signature, signature.len() as u64)?;
            body.emit(&signature)?;
            pcrs.pcr8 = Some(signer.certificate().pcr8());
        }
        let size = body.offset;
        let output = body.finish()?;
        Ok(Finished { output, pcrs, size })
    }
}

impl<W: Write + Seek> Body<W> {
    fn begin(&mut self, kind: SectionKind, size: u64) -> Result<(), Error> {
        self.end_section()?;
        if self.sections.len() == MAX_SECTIONS {
            return Err(Error::Unwritable(format!("more than {MAX_SECTIONS} sections")));
        }
        if size > kind.limit() {
            return Err(Error::Unwritable(format!(
                "a {kind:?} section of {size} bytes; at most {}",
                kind.limit()
            )));
        }
        self.sections.push(Section {
            kind,
            offset: self.offset,
            size,
        });
        Ok(self.emit(&Section::header(kind, size))?)
    }

    /// Writes the header, which comes first in the file and is known last: its own sum is joined with the rest's.
    fn finish(mut self) -> Result<W, Error> {
        self.end_section()?;
        let table = self.sections.iter().map(|section| (section.offset, section.size));
        let mut header = Header {
            table: table.collect(),
            ..self.header
        };
        let mut crc = crc32fast::Hasher::new();
        crc.update(header.to_bytes().get(..CRC_OFFSET).unwrap_or_default());
        crc.combine(&self.crc);
        header.crc = crc.finalize();
        self.output.seek(SeekFrom::Start(0))?;
        self.output.write_all(&header.to_bytes())?;
        self.output.flush()?;
        Ok(self.output)
    }

    /// Refuses to go on unless the section that began last has all of its bytes.
    fn end_section(&self) -> Result<(), Error> {
        match self.sections.last() {
            Some(section) if section.end() != Some(self.offset) => {
                let written = self.offset - section.data_offset();
                let (kind, size) = (section.kind, section.size);
                Err(Error::Unwritable(format!(
                    "a {kind:?} section of {size} bytes was given {written}"
                )))
            }
            _ => Ok(()),
        }
    }

    fn emit(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.crc.update(bytes);
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

impl<W: Write + Seek> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let free = self.piece.get_mut(self.filled..).unwrap_or_default();
        let count = bytes.len().min(free.len());
        let (Some(to), Some(from)) = (free.get_mut(..count), bytes.get(..count)) else {
            return Ok(0);
        };
        to.copy_from_slice(from);
        self.filled += count;
        if self.filled == PIECE {
            self.hand_over()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hand_over()?;
        self.body.output.flush()
    }
}

/// Writes `eif` again with another signature at its end, which replaces one that is there; table, sizes and CRC are made
/// anew, all else stays as it is. A damaged file is refused.
pub fn resign<R: Read + Seek, W: Write + Seek>(
    eif: &mut Eif<R>,
    signer: &Signer,
    output: W,
) -> Result<Finished<W>, Error> {
    let mut writer = Writer::with_header(output, eif.header().clone())?;
    let crc = eif.pass(|section, chunk| match (section.kind, chunk) {
        (SectionKind::Signature, _) => Ok(()),
        (kind, None) => writer.begin(kind, section.size),
        (_, Some(data)) => Ok(writer.write_all(data)?),
    })?;
    crc.intact()?;
    writer.finish(Some(signer))
}
