//! What each fuzz target does with an input; `cargo test` does the same with the committed seeds.
//!
//! Plain bytes hardly ever pass a CRC or a tar header's checksum. So the first byte of an input says which of these are
//! made to fit, and the rest is the file.
use std::{fs, io::Cursor, path::Path, sync::OnceLock};

use eif_build::{
    bundle,
    cpio::{Entry, Reader, Writer, file_type},
    digest::Digest,
    eif::{Eif, Pcr, SectionKind, Signature, Signer, resign},
    image::{Document, ImageConfig},
    rootfs::{Limits, PackedLayer, Spool, Tree, apply},
};

pub type Body = fn(&[u8]);

pub const BODIES: [(&str, Body); 6] = [
    ("cpio", cpio),
    ("eif", eif),
    ("layer", layer),
    ("manifest", manifest),
    ("ramdisk", ramdisk),
    ("signature", signature),
];

const LIMITS: Limits = Limits {
    total_bytes: 1 << 20,
    entries: 1000,
    layers: 1,
    path_len: 4000,
};

/// Any bytes as an archive: what is read is written again, and then reads the same.
pub fn cpio(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let mut entries = Vec::new();
    while let Ok(Some(entry)) = reader.next_entry() {
        let mut data = Vec::new();
        if reader.copy_data(&mut data).is_err() {
            return;
        }
        entries.push((entry, data));
    }
    let mut writer = Writer::new(Vec::new());
    for (entry, data) in &entries {
        writer
            .entry(entry, &data[..])
            .expect("what was read can be written");
    }
    let written = writer.finish().expect("in memory");
    let mut reader = Reader::new(&written[..]);
    for (entry, data) in &entries {
        let again = reader
            .next_entry()
            .expect("our own archive")
            .expect("not its end");
        let mut content = Vec::new();
        reader.copy_data(&mut content).expect("our own archive");
        assert!(again == *entry && content == *data);
    }
}

/// A file with its CRC made to fit if bit 0 of the first byte is set, its section table if bit 1 is. What is sound and
/// intact can be signed, and verifies then.
pub fn eif(bytes: &[u8]) {
    let Some((&how, file)) = bytes.split_first() else {
        return;
    };
    let mut file = file.to_vec();
    if how & 2 != 0 {
        tabulate(&mut file);
    }
    if how & 1 != 0 && file.len() >= 548 {
        let crc = crc(&[&file[..544], &file[548..]]);
        file[544..548].copy_from_slice(&crc.to_be_bytes());
    }
    let Ok(mut eif) = Eif::new(Cursor::new(&file[..])) else {
        return;
    };
    let _ = (eif.metadata(), eif.cmdline(), eif.certificate(), eif.verify());
    let Ok(checked) = eif.check() else { return };
    let signed = resign(&mut eif, signer(), Cursor::new(Vec::new()));
    match (checked.intact(), signed) {
        (Ok(pcrs), Ok(signed)) => {
            let signed = signed.output.into_inner();
            let mut again = Eif::new(Cursor::new(&signed[..])).expect("what is written is sound");
            let (verified, _) = again.verify().expect("what is signed verifies");
            assert!(verified.pcr0 == pcrs.pcr0 && verified.pcr1 == pcrs.pcr1 && verified.pcr2 == pcrs.pcr2);
        }
        // A file that has its 32 sections has no room for a signature.
        (Ok(_), Err(error)) => assert!(eif.sections().len() == 32, "{error}"),
        (Err(_), signed) => assert!(signed.is_err(), "a damaged file was signed"),
    }
}

/// Makes count, offsets and sizes those of the sections' own headers, as far as these lead.
fn tabulate(file: &mut [u8]) {
    let (mut at, mut count) = (548, 0);
    while count < 32 && file.len() >= at + 12 {
        let size = u64::from_be_bytes(file[at + 4..at + 12].try_into().unwrap_or_default());
        let size = size.min((file.len() - at - 12) as u64);
        file[at + 4..at + 12].copy_from_slice(&size.to_be_bytes());
        file[28 + 8 * count..][..8].copy_from_slice(&(at as u64).to_be_bytes());
        file[284 + 8 * count..][..8].copy_from_slice(&size.to_be_bytes());
        at += 12 + size as usize;
        count += 1;
    }
    if let Some(field) = file.get_mut(26..28) {
        field.copy_from_slice(&(count as u16).to_be_bytes());
    }
}

/// CRC-32/ISO-HDLC, bit by bit: files here are small, and it is not the one under test.
fn crc(parts: &[&[u8]]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    };
    !parts.iter().flat_map(|part| part.iter()).fold(!0, step)
}

fn signer() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(|| {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
        let certificate = rcgen::CertificateParams::default()
            .self_signed(&key)
            .expect("a certificate");
        Signer::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).expect("a signer")
    })
}

/// The content of a signature section.
pub fn signature(bytes: &[u8]) {
    if let Ok(signature) = Signature::parse(bytes) {
        let _ = (signature.check_key(), signature.check_value(&Pcr([0; 48])));
        let _ = signature
            .certificate()
            .check_dates(std::time::SystemTime::UNIX_EPOCH);
    }
}

/// A layer, with the checksums of its headers made to fit if bit 0 of the first byte is set. Its digest always fits.
pub fn layer(bytes: &[u8]) {
    let Some((&how, layer)) = bytes.split_first() else {
        return;
    };
    let mut layer = layer.to_vec();
    if how & 1 != 0 {
        let mut at = 0;
        while let Some(header) = layer.get_mut(at..at + 512) {
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            let digits = header[124..135]
                .iter()
                .take_while(|digit| (b'0'..=b'7').contains(*digit));
            let size = digits.fold(0usize, |size, digit| size * 8 + usize::from(digit - b'0'));
            at += 512 + size.next_multiple_of(512);
        }
    }
    let Ok(spool) = Spool::new_in(&temporary()) else {
        return;
    };
    let packed = PackedLayer {
        bytes: &layer[..],
        digest: None,
        diff_id: Digest::of(&layer),
    };
    if let Ok(tree) = apply([Ok(packed)], Tree::new(spool), &LIMITS) {
        for (path, ..) in tree.entries() {
            assert!(!path.starts_with(b"/") && !path.split(|&byte| byte == b'/').any(|part| part == b".."));
        }
        let _ = tree.resolve_user("www:www");
    }
}

/// A kernel, a manifest, an index, a configuration and a bundle's manifest.
pub fn manifest(bytes: &[u8]) {
    let _ = bundle::kernel_version(bytes);
    let _ = Document::parse(bytes);
    let _ = ImageConfig::parse(bytes).map(|config| config.config.unwrap_or_default().tcp_ports());
    if let Ok(manifest) = bundle::Manifest::parse(bytes) {
        assert_eq!(manifest.to_json(), bytes);
    }
}

/// Entries of a ramdisk, four bytes each: what, where, whereto, how. They are extracted, and nothing but the folder that is
/// asked for appears or changes.
pub fn ramdisk(bytes: &[u8]) {
    const KINDS: [u32; 7] = [
        file_type::REGULAR,
        file_type::REGULAR,
        file_type::DIRECTORY,
        file_type::SYMLINK,
        file_type::SYMLINK,
        file_type::CHARACTER_DEVICE,
        file_type::FIFO,
    ];
    const PLACES: [&str; 16] = [
        "a",
        "b",
        "rootfs",
        "rootfs/a",
        "rootfs/b",
        "rootfs/a/b",
        "rootfs/b/a",
        "a/b",
        "a/../b",
        "../outside",
        "..",
        ".",
        "/",
        "/a",
        "../../outside/canary",
        "rootfs/a/../../..",
    ];
    let mut archive = Writer::new(Vec::new());
    for entry in bytes.chunks_exact(4).take(24) {
        let &[kind, place, target, how] = entry else {
            continue;
        };
        let kind = KINDS[usize::from(kind) % KINDS.len()];
        let data = match kind {
            file_type::SYMLINK => PLACES[usize::from(target) % PLACES.len()].as_bytes(),
            file_type::REGULAR => &entry[..usize::from(target) % 5],
            _ => b"",
        };
        let entry = Entry {
            links: 1 + u32::from(how & 1),
            size: data.len() as u32,
            ..Entry::new(
                PLACES[usize::from(place) % PLACES.len()],
                kind | 0o755,
                u32::from(how >> 1) % 3,
            )
        };
        archive.entry(&entry, data).expect("in memory");
    }
    let archive = archive.finish().expect("in memory");
    let folder = tempfile::tempdir_in(temporary()).expect("a temporary folder");
    let (eif, outside) = (folder.path().join("a.eif"), folder.path().join("outside"));
    fs::create_dir(&outside).expect("a new folder");
    fs::write(outside.join("canary"), b"untouched").expect("a new file");
    fs::write(&eif, with_ramdisk(&archive)).expect("a new file");
    let wanted = eif_build::RootFs {
        directory: true,
        tar: true,
    };
    let extracted = eif_build::extract(&eif, &folder.path().join("in/out"), wanted, &LIMITS);
    assert_eq!(
        fs::read(outside.join("canary")).expect("it is there"),
        b"untouched"
    );
    assert_eq!(names(&outside), ["canary"]);
    assert_eq!(names(folder.path()), ["a.eif", "in", "outside"]);
    let within = names(&folder.path().join("in"));
    assert_eq!(within, if extracted.is_ok() { vec!["out"] } else { vec![] });
}

fn with_ramdisk(archive: &[u8]) -> Vec<u8> {
    let mut writer = eif_build::eif::Writer::new(Cursor::new(Vec::new()), false).expect("in memory");
    let metadata = eif_build::eif::Metadata::new("a", "1", "", "");
    writer.section(SectionKind::Kernel, b"k").expect("in memory");
    writer.section(SectionKind::Cmdline, b"c").expect("in memory");
    writer.metadata(&metadata).expect("in memory");
    writer.section(SectionKind::Ramdisk, archive).expect("in memory");
    writer.finish(None).expect("in memory").output.into_inner()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// In memory where the machine has such a folder: targets write thousands of files a second.
fn temporary() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory.into()
    } else {
        std::env::temp_dir()
    }
}
