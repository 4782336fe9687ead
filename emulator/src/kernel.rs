//! The kernel inside a bzImage. QEMU boots an uncompressed one that has a PVH entry without the guest having
//! to decompress it, which under TCG is most of a boot.

use std::io::Read;

/// More than any kernel is, decompressed.
const MAX_KERNEL: u64 = 256 << 20;

/// The type of Xen's ELF note that gives the PVH entry (`XEN_ELFNOTE_PHYS32_ENTRY`).
const PVH_ENTRY: u32 = 18;
/// `PT_NOTE` of elf(5).
const PT_NOTE: u32 = 4;

/// The ELF kernel that a bzImage carries, if it is packed in a way known here (gzip, zstd) and has a PVH
/// entry. A kernel for which this is `None` boots as the bzImage that it is.
pub(crate) fn pvh_kernel(bzimage: &[u8]) -> Option<Vec<u8>> {
    let payload = payload(bzimage)?;
    let mut kernel = Vec::new();
    let unpacked = if payload.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(payload)
            .take(MAX_KERNEL)
            .read_to_end(&mut kernel)
    } else if payload.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        // Behind the frame stands the kernel's length: a second frame to a decoder that looks for one.
        let decoder = zstd::stream::read::Decoder::new(payload).ok()?.single_frame();
        decoder.take(MAX_KERNEL).read_to_end(&mut kernel)
    } else {
        return None;
    };
    unpacked.ok()?;
    has_pvh_entry(&kernel)?.then_some(kernel)
}

/// The compressed kernel (Linux's Documentation/arch/x86/boot.rst: `setup_sects`, `payload_offset`,
/// `payload_length`).
fn payload(bzimage: &[u8]) -> Option<&[u8]> {
    if bzimage.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let sectors = match *bzimage.get(0x1f1)? {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let start = ((sectors + 1) * 512).checked_add(u32_at(bzimage, 0x248)? as usize)?;
    bzimage.get(start..)?.get(..u32_at(bzimage, 0x24c)? as usize)
}

/// Whether one of the notes of a 64-bit ELF file is Xen's PVH entry; `None` if it is no such file.
fn has_pvh_entry(elf: &[u8]) -> Option<bool> {
    if elf.get(..5)? != b"\x7fELF\x02" {
        return None;
    }
    let table = usize::try_from(u64_at(elf, 32)?).ok()?;
    let entry_size = usize::from(u16_at(elf, 54)?);
    let entries = usize::from(u16_at(elf, 56)?);
    for entry in 0..entries {
        let header = elf.get(table.checked_add(entry * entry_size)?..)?;
        if u32_at(header, 0)? == PT_NOTE {
            let start = usize::try_from(u64_at(header, 8)?).ok()?;
            let len = usize::try_from(u64_at(header, 32)?).ok()?;
            if notes_have_pvh_entry(elf.get(start..)?.get(..len)?) {
                return Some(true);
            }
        }
    }
    Some(false)
}

fn notes_have_pvh_entry(mut notes: &[u8]) -> bool {
    while let (Some(name), Some(data), Some(kind)) = (u32_at(notes, 0), u32_at(notes, 4), u32_at(notes, 8)) {
        if kind == PVH_ENTRY && notes.get(12..16) == Some(b"Xen\0") {
            return true;
        }
        let padded = |len: u32| (len as usize).next_multiple_of(4);
        notes = notes.get(12 + padded(name) + padded(data)..).unwrap_or_default();
    }
    false
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    /// An ELF file with nothing but one note.
    fn elf(kind: u32) -> Vec<u8> {
        let mut elf = vec![0; 64 + 56];
        elf[..5].copy_from_slice(b"\x7fELF\x02");
        elf[32..40].copy_from_slice(&64u64.to_le_bytes());
        elf[54..56].copy_from_slice(&56u16.to_le_bytes());
        elf[56..58].copy_from_slice(&1u16.to_le_bytes());
        elf[64..68].copy_from_slice(&PT_NOTE.to_le_bytes());
        elf[72..80].copy_from_slice(&120u64.to_le_bytes());
        elf[96..104].copy_from_slice(&20u64.to_le_bytes());
        for word in [4, 4, kind] {
            elf.extend(word.to_le_bytes());
        }
        elf.extend(b"Xen\0\0\0\0\0");
        elf
    }

    fn bzimage(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend(payload);
        image
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_pvh_kernel_is_unpacked() {
        let kernel = elf(PVH_ENTRY);
        assert_eq!(pvh_kernel(&bzimage(&gzip(&kernel))), Some(kernel.clone()));
        let mut zstd = zstd::encode_all(kernel.as_slice(), 1).unwrap();
        zstd.extend((kernel.len() as u32).to_le_bytes());
        assert_eq!(pvh_kernel(&bzimage(&zstd)), Some(kernel));
    }

    #[test]
    fn any_other_kernel_is_left_alone() {
        assert_eq!(pvh_kernel(&bzimage(&gzip(&elf(7)))), None);
        assert_eq!(pvh_kernel(&bzimage(b"\xfd7zXZ\0...")), None);
        assert_eq!(pvh_kernel(b"not a kernel"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(mut bytes in proptest::collection::vec(any::<u8>(), 0..2000), place in any::<bool>()) {
            if place && bytes.len() > 0x206 {
                bytes[0x202..0x206].copy_from_slice(b"HdrS");
            }
            let _ = pvh_kernel(&bytes);
            let _ = has_pvh_entry(&bytes);
            let _ = notes_have_pvh_entry(&bytes);
        }
    }
}
