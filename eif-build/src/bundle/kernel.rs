//! What a kernel says of itself.

/// Where the x86 boot protocol has its magic, its version and the pointer to the kernel's own version, which counts from
/// `BASE` on: <https://docs.kernel.org/arch/x86/boot.html>, "The Real-Mode Kernel Header".
const MAGIC: (usize, &[u8]) = (0x202, b"HdrS");
const PROTOCOL: usize = 0x206;
const KERNEL_VERSION: usize = 0x20e;
const BASE: usize = 0x200;
/// The first protocol with the pointer.
const LEAST_PROTOCOL: u16 = 0x0200;
/// The longest version that is looked at, in bytes: Linux keeps it in 3 × 65 and some words.
const LONGEST: usize = 512;

/// The version in a bzImage, with who built it and how: `6.12.1 (builder@host) #1 SMP …`. None of a file that is no bzImage
/// or says nothing printable.
pub fn version(kernel: &[u8]) -> Option<&str> {
    let (at, magic) = MAGIC;
    if !kernel.get(at..)?.starts_with(magic) || u16_at(kernel, PROTOCOL)? < LEAST_PROTOCOL {
        return None;
    }
    let from = match u16_at(kernel, KERNEL_VERSION)? {
        0 => return None,
        pointer => BASE + usize::from(pointer),
    };
    let text = kernel.get(from..)?;
    let end = text.iter().take(LONGEST).position(|byte| *byte == 0)?;
    let is_printable =
        |text: &&[u8]| !text.is_empty() && text.iter().all(|byte| (b' '..=b'~').contains(byte));
    std::str::from_utf8(text.get(..end).filter(is_printable)?).ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A kernel that says `text` at `at`, with the file's end right behind it.
    fn saying(text: &[u8], at: u16) -> Vec<u8> {
        let mut kernel = vec![0; BASE + usize::from(at)];
        kernel[0x202..0x206].copy_from_slice(b"HdrS");
        kernel[0x206..0x208].copy_from_slice(&0x020f_u16.to_le_bytes());
        kernel[0x20e..0x210].copy_from_slice(&at.to_le_bytes());
        kernel.extend_from_slice(text);
        kernel
    }

    #[test]
    fn a_kernel_says_its_version_up_to_the_files_last_byte() {
        let text = "6.12.1 (builder@host) #1 SMP";
        let kernel = saying(format!("{text}\0").as_bytes(), 0x3600);
        assert_eq!(version(&kernel), Some(text));
        assert_eq!(version(&kernel[..kernel.len() - 1]), None, "it does not end");
    }

    #[test]
    fn what_says_nothing_says_nothing() {
        let long = [b'x'; LONGEST];
        for (kernel, why) in [
            (saying(b"6.1\0", 0x10)[..0x20f].to_vec(), "cut off in its header"),
            (saying(b"\0", 0x100), "empty"),
            (saying(b"6.1\x1b[2J\0", 0x100), "no printable text"),
            (saying("6.1ü\0".as_bytes(), 0x100), "no ASCII"),
            (saying(&long, 0x100), "too long"),
        ] {
            assert_eq!(version(&kernel), None, "{why}");
        }
        let good = saying(b"6.1\0", 0x100);
        for (at, byte) in [(0x202, b'h'), (0x207, 1), (0x20f, 0)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(version(&bad), None, "{at:x}");
        }
    }

    proptest! {
        #[test]
        fn any_file_is_looked_at(mut bytes in prop::collection::vec(any::<u8>(), 0..2000), at in 0..1500_u16) {
            let _ = version(&bytes);
            if bytes.len() >= 0x210 {
                let head = saying(b"", 0x10);
                bytes[..0x210].copy_from_slice(&head[..0x210]);
                bytes[0x20e..0x210].copy_from_slice(&at.to_le_bytes());
                if let Some(text) = version(&bytes) {
                    prop_assert!(!text.is_empty() && text.len() < LONGEST && text.is_ascii());
                }
            }
        }
    }
}
