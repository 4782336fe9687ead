//! Measuring what is read or written: which bytes are summed for which register.
use super::{Pcr, Pcrs, SectionKind, sums::Sums};

/// How much is handed over at once, in bytes.
pub(super) const PIECE: usize = 1 << 18;

/// Measures sections as they pass, in the file's order: kernel, command line, ramdisks.
///
/// Bytes are handed over in buffers, which come back when both sums are done with them: nothing is copied on the way.
pub(super) struct Measurer {
    /// The first over kernel, command line and ramdisks, the second over the ramdisks behind the first.
    sums: Sums,
    ramdisks: usize,
}

impl Measurer {
    /// Starts the sums.
    pub(super) fn new() -> Self {
        Self {
            sums: Sums::new(),
            ramdisks: 0,
        }
    }

    /// A buffer of [`PIECE`] bytes, of any content.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.sums.spare().unwrap_or_else(|| vec![0; PIECE])
    }

    /// Tells that a section begins.
    pub(super) fn begin(&mut self, kind: SectionKind) {
        if kind == SectionKind::Ramdisk {
            self.ramdisks += 1;
            if self.ramdisks == 2 {
                // PCR1 is the image's sum as it stands behind the first ramdisk.
                self.sums.mark();
            }
        }
    }

    /// Takes the first `length` bytes of a buffer, of the section that began last.
    pub(super) fn take(&mut self, kind: SectionKind, buffer: Vec<u8>, length: usize) {
        match kind {
            SectionKind::Signature | SectionKind::Metadata => self.sums.give_back(buffer),
            _ => self.sums.add(buffer, length, self.ramdisks > 1),
        }
    }

    /// The registers of what has passed, without PCR8.
    pub(super) fn finish(self) -> Pcrs {
        let [image, application] = self.sums.finish();
        Pcrs {
            pcr1: Pcr::extended_by(image.marked.unwrap_or_else(|| image.whole.clone())),
            pcr0: Pcr::extended_by(image.whole),
            pcr2: Pcr::extended_by(application.whole),
            pcr8: None,
        }
    }
}
