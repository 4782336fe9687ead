//! What is booted: the parts of an EIF, measured as they are read.

use crate::{Error, kernel};
use eif_build::eif::{Eif, Pcrs, SectionKind};
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// The longest command line that a kernel for x86 takes, less room for what the machine adds
/// (`COMMAND_LINE_SIZE` is 2048).
const MAX_CMDLINE: usize = 1536;
/// More than any kernel is.
const MAX_KERNEL: usize = 256 << 20;

/// The parts of an EIF in memory, as QEMU takes them, and their measurements.
#[derive(Debug)]
pub struct BootImage {
    /// The kernel: uncompressed where it has a PVH entry, else the EIF's own.
    pub kernel: MemoryFile,
    /// All ramdisks, one behind the other, each padded to 4 bytes.
    pub initrd: MemoryFile,
    /// The EIF's command line.
    pub cmdline: String,
    /// Measured over the very bytes that the parts are made of.
    pub pcrs: Pcrs,
}

impl BootImage {
    /// Reads an EIF once.
    pub fn load(path: &Path) -> Result<BootImage, Error> {
        let refused = |reason: String| Error::Image {
            path: path.to_owned(),
            reason,
        };
        let mut eif = Eif::open(path).map_err(|error| refused(error.to_string()))?;
        if eif.is_arm64() {
            return Err(refused(
                "it is for arm64, and this machine emulates x86_64".into(),
            ));
        }
        let mut kernel = Vec::new();
        let mut cmdline = Vec::new();
        let mut initrd = MemoryFile::new("initrd")?;
        let checked = eif
            .scan(|section, data| {
                let data = data.unwrap_or_default();
                match section.kind {
                    SectionKind::Kernel => extend(&mut kernel, data, MAX_KERNEL)?,
                    SectionKind::Cmdline => extend(&mut cmdline, data, MAX_CMDLINE)?,
                    SectionKind::Ramdisk if data.is_empty() => initrd.pad()?,
                    SectionKind::Ramdisk => initrd.append(data)?,
                    SectionKind::Signature | SectionKind::Metadata => {}
                }
                Ok(())
            })
            .map_err(|error| refused(error.to_string()))?;
        let pcrs = checked.intact().map_err(|error| refused(error.to_string()))?;
        let cmdline =
            String::from_utf8(cmdline).map_err(|_| refused("its command line is not UTF-8".into()))?;
        let mut file = MemoryFile::new("kernel")?;
        file.append(kernel::pvh_kernel(&kernel).as_deref().unwrap_or(&kernel))
            .map_err(Error::io("keeping the kernel"))?;
        Ok(BootImage {
            kernel: file,
            initrd,
            cmdline,
            pcrs,
        })
    }
}

fn extend(part: &mut Vec<u8>, data: &[u8], limit: usize) -> std::io::Result<()> {
    if part.len() + data.len() > limit {
        return Err(std::io::Error::other(format!(
            "its kernel or its command line is longer than {limit} bytes"
        )));
    }
    part.extend(data);
    Ok(())
}

/// A file in memory that has no name in the file system.
#[derive(Debug)]
pub struct MemoryFile {
    file: File,
    len: u64,
}

impl MemoryFile {
    fn new(name: &str) -> Result<MemoryFile, Error> {
        let file = memfd_create(name, MFdFlags::MFD_CLOEXEC)
            .map_err(|errno| Error::io("making a file in memory")(errno.into()))?;
        Ok(MemoryFile {
            file: file.into(),
            len: 0,
        })
    }

    fn append(&mut self, data: &[u8]) -> std::io::Result<()> {
        self.file.write_all(data)?;
        self.len += data.len() as u64;
        Ok(())
    }

    fn pad(&mut self) -> std::io::Result<()> {
        let padding = self.len.next_multiple_of(4) - self.len;
        self.append([0; 4].get(..padding as usize).unwrap_or_default())
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Frees the memory: its bytes read as zeros from now on, to QEMU too, which has copied them into the
    /// guest by then.
    pub fn free(&self) {
        let how = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let _ = fallocate(&self.file, how, 0, i64::try_from(self.len).unwrap_or(i64::MAX));
    }
}
