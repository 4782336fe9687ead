//! Why two EIFs differ: section, file and field.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod common;

use std::{fs, path::PathBuf};

use common::{
    eif::{by_hand, seal, signer, small, sound, with_ramdisks},
    gzip,
};
use eif_build::{
    Difference,
    cpio::{Entry, Writer, file_type},
    rootfs::Limits,
};
use tempfile::tempdir;

fn diff(a: &[u8], b: &[u8]) -> Vec<Difference> {
    let folder = tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    eif_build::diff(&write("a", a), &write("b", b), &Limits::default()).unwrap()
}

/// `section path field`, and both sides, of each difference.
fn told(a: &[u8], b: &[u8]) -> Vec<String> {
    let told = |difference: &Difference| {
        let Difference {
            section,
            path,
            field,
            a,
            b,
        } = difference;
        let path = path.as_deref().unwrap_or("-");
        format!("{section} {path} {field}: {a} -> {b}")
    };
    diff(a, b).iter().map(told).collect()
}

fn archive(entries: &[(Entry, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, data) in entries {
        let size = data.len() as u32;
        writer
            .entry(
                &Entry {
                    size,
                    ..entry.clone()
                },
                *data,
            )
            .unwrap();
    }
    writer.finish().unwrap()
}

fn file(path: &str) -> Entry {
    Entry::new(path, file_type::REGULAR | 0o644, 1)
}

/// Two EIFs whose second ramdisks have one entry each.
fn entries(a: (Entry, &[u8]), b: (Entry, &[u8])) -> Vec<String> {
    let eif = |entry| with_ramdisks(&[b"boot", &archive(&[entry])], None);
    told(&eif(a), &eif(b))
}

#[test]
fn the_same_file_has_no_difference() {
    let signer = signer(&rcgen::PKCS_ECDSA_P256_SHA256);
    let eif = small(Some(&signer));
    assert_eq!(diff(&eif, &eif), []);
}

#[test]
fn every_field_of_a_file_is_told() {
    let one = || file("rootfs/f");
    let with = |change: fn(&mut Entry)| {
        let mut other = one();
        change(&mut other);
        entries((one(), b"data"), (other, b"data"))
    };
    let at = "ramdisk 1 rootfs/f";
    assert_eq!(with(|it| it.mode |= 0o4000), [format!("{at} mode: 0644 -> 4644")]);
    assert_eq!(with(|it| it.uid = 5), [format!("{at} owner: 0:0 -> 5:0")]);
    assert_eq!(with(|it| it.gid = 6), [format!("{at} owner: 0:0 -> 0:6")]);
    assert_eq!(with(|it| it.mtime = 9), [format!("{at} mtime: 0 -> 9")]);
    assert_eq!(with(|it| it.links = 2), [format!("{at} links: 1 -> 2")]);
    assert_eq!(
        with(|it| it.device = (1, 3)),
        [format!("{at} device: 0:0 -> 1:3")]
    );
    let typed = with(|it| it.mode = file_type::CHARACTER_DEVICE | 0o644);
    assert_eq!(typed, [format!("{at} type: file -> character device")]);
    assert_eq!(
        with(|it| it.path = b"rootfs/g".to_vec()),
        [
            format!("{at} presence: file -> "),
            "ramdisk 1 rootfs/g presence:  -> file".to_owned()
        ]
    );
    let content = entries((one(), b"data"), (one(), b"date"));
    assert!(
        content.len() == 1 && content[0].starts_with(&format!("{at} content: sha256:")),
        "{content:?}"
    );
    let size = entries((one(), b"data"), (one(), b"data!"));
    assert!(
        size.len() == 2 && size[0] == format!("{at} size: 4 -> 5"),
        "{size:?}"
    );
    let link = || Entry::new("rootfs/l", file_type::SYMLINK | 0o777, 1);
    assert_eq!(
        entries((link(), b"a"), (link(), b"b")),
        ["ramdisk 1 rootfs/l target: a -> b"]
    );
    let moved = entries(
        (Entry { inode: 3, ..one() }, b""),
        (Entry { inode: 4, ..one() }, b""),
    );
    assert!(
        moved.len() == 1 && moved[0].contains("inode numbers, order"),
        "{moved:?}"
    );
}

#[test]
fn a_path_that_comes_twice_is_compared_twice() {
    let (first, second) = ((file("f"), &b"1"[..]), (file("f"), &b"2"[..]));
    let a = with_ramdisks(&[&archive(&[first.clone(), second.clone()])], None);
    let b = with_ramdisks(&[&archive(&[first.clone(), first])], None);
    let found = told(&a, &b);
    assert!(
        found.len() == 1 && found[0].starts_with("ramdisk 0 f (2) content"),
        "{found:?}"
    );
}

#[test]
fn compression_alone_is_told_as_such() {
    let plain = archive(&[(file("f"), b"data")]);
    let found = told(
        &with_ramdisks(&[&plain], None),
        &with_ramdisks(&[&gzip(&plain)], None),
    );
    assert!(found.len() == 1 && found[0].contains("compression"), "{found:?}");
}

#[test]
fn ramdisks_that_are_no_archives_differ_as_a_whole() {
    let found = told(&with_ramdisks(&[b"0"], None), &with_ramdisks(&[b"12"], None));
    assert!(
        found.len() == 2 && found[0] == "ramdisk 0 - size: 1 -> 2" && found[1].contains("content"),
        "{found:?}"
    );
}

#[test]
fn header_cmdline_kernel_and_metadata_are_told() {
    let a = by_hand(&sound());
    let mut b = sound();
    b[0].2 = vec![1; 31];
    b[1].2 = b"loud".to_vec();
    b[2].2 = String::from_utf8(b[2].2.clone())
        .unwrap()
        .replace("\"BuildTime\":\"\"", "\"BuildTime\":\"now\"")
        .replace("\"CustomMetadata\":null", "\"CustomMetadata\":{\"k\":[1]}")
        .into_bytes();
    b.push((3, 0, vec![1, 2]));
    let mut b = by_hand(&b);
    b[7] = 1;
    b[23] = 4;
    seal(&mut b);
    let found = told(&a, &b);
    for expected in [
        "header - architecture: x86_64 -> arm64",
        "header - default CPUs: 0 -> 4",
        "cmdline - text: quiet -> loud",
        "kernel - size: 30 -> 31",
        "metadata BuildMetadata.BuildTime value: \"\" -> \"now\"",
        "metadata CustomMetadata value: null -> ",
        "metadata CustomMetadata.k.0 value:  -> 1",
        "ramdisk 1 - presence:  -> 2 bytes",
        "header - order of sections: kernel, cmdline, metadata, ramdisk -> kernel, cmdline, metadata, ramdisk, ramdisk",
    ] {
        assert!(found.iter().any(|it| it == expected), "{expected} in {found:#?}");
    }
    assert_eq!(found.len(), 10, "{found:#?}");
}

#[test]
fn signatures_are_told() {
    let (one, other) = (
        signer(&rcgen::PKCS_ECDSA_P256_SHA256),
        signer(&rcgen::PKCS_ECDSA_P256_SHA256),
    );
    let found = told(&small(Some(&one)), &small(Some(&other)));
    assert!(
        found
            .iter()
            .any(|it| it.starts_with("signature - certificate: CN=rcgen")),
        "{found:?}"
    );
    let found = told(&small(Some(&one)), &small(None));
    assert!(
        found.iter().any(|it| it.starts_with("signature - presence:")),
        "{found:?}"
    );
}

#[test]
fn damaged_files_are_refused() {
    let folder = tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let mut damaged = small(None);
    damaged[700] ^= 1;
    fs::write(&a, small(None)).unwrap();
    fs::write(&b, damaged).unwrap();
    for (a, b) in [(&a, &b), (&b, &a)] {
        assert!(
            eif_build::diff(a, b, &Limits::default())
                .unwrap_err()
                .is_refusal()
        );
    }
}
