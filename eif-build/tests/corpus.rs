//! What fuzzing found worth keeping, again with each test run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests may fail.
mod common;

#[path = "../fuzz/bodies.rs"]
#[allow(unreachable_pub)] // The fuzz targets use it too.
mod bodies;

use std::{fs, path::Path};

use common::{
    Layer,
    eif::{by_hand, open, signer, small, sound},
    oci_image,
};
use eif_build::{
    cpio::{Entry, Writer, file_type},
    eif::SectionKind,
};
use tempfile::tempdir;

#[test]
fn the_seeds_of_every_target_pass() {
    for (target, body) in bodies::BODIES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/seeds")
            .join(target);
        let mut count = 0;
        for file in fs::read_dir(&folder).unwrap() {
            body(&fs::read(file.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "{} is empty", folder.display());
    }
}

/// What the targets start from when nothing was found yet: `cargo test --test corpus -- --ignored`, then
/// `scripts/fuzz.sh minimise eif-build`.
#[test]
#[ignore = "writes into fuzz/corpus"]
fn first_inputs() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let put = |target: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(corpus.join(target)).unwrap();
        fs::write(corpus.join(target).join(name), bytes).unwrap();
    };
    for (name, curve) in [
        ("p256", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("p384", &rcgen::PKCS_ECDSA_P384_SHA384),
        ("p521", &rcgen::PKCS_ECDSA_P521_SHA512),
    ] {
        let signed = small(Some(&signer(curve)));
        put("eif", name, &[&[3], &signed[..]].concat());
        let mut eif = open(&signed).unwrap();
        let section = *eif
            .sections()
            .iter()
            .find(|section| section.kind == SectionKind::Signature)
            .unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut eif.section(&section).unwrap(), &mut bytes).unwrap();
        put("signature", name, &bytes);
    }
    put("eif", "sound", &[&[0], &by_hand(&sound())[..]].concat());

    let mut archive = Writer::new(Vec::new());
    for (path, mode) in [
        ("a", file_type::DIRECTORY | 0o755),
        ("a/f", file_type::REGULAR | 0o644),
        ("l", file_type::SYMLINK | 0o777),
        ("c", file_type::CHARACTER_DEVICE | 0o600),
    ] {
        let size = if mode & file_type::REGULAR == file_type::REGULAR {
            3
        } else {
            0
        };
        archive
            .entry(
                &Entry {
                    size,
                    ..Entry::new(path, mode, 1)
                },
                &b"abc"[..],
            )
            .unwrap();
    }
    put("cpio", "archive", &archive.finish().unwrap());

    let layer = || {
        Layer::new()
            .directory("etc")
            .file("etc/passwd", b"www:x:33:33::/:/bin/sh\n")
            .pax([
                ("path", &b"long"[..]),
                ("uid", b"70000"),
                ("SCHILY.xattr.user.a", b"x"),
            ])
            .file("short", b"data")
            .symlink("l", "etc")
            .link("l/hard", "etc/passwd")
            .file("etc/.wh.gone", b"")
            .tar()
    };
    put("layer", "plain", &[&[1], &layer()[..]].concat());
    put("layer", "gzip", &[&[0], &common::gzip(&layer())[..]].concat());
    put("layer", "zstd", &[&[0], &common::zstd(&layer())[..]].concat());

    let folder = tempdir().unwrap();
    let config = r#""Cmd":["/a"],"Env":["A=b"],"ExposedPorts":{"80/tcp":{}},"Labels":{"treza.nsm":"true"}"#;
    oci_image(folder.path(), &[(layer(), common::gzip)], config);
    for (number, blob) in fs::read_dir(folder.path().join("blobs/sha256"))
        .unwrap()
        .enumerate()
    {
        let bytes = fs::read(blob.unwrap().path()).unwrap();
        if bytes.starts_with(b"{") {
            put("manifest", &format!("blob{number}"), &bytes);
        }
    }
    put(
        "manifest",
        "index",
        &fs::read(folder.path().join("index.json")).unwrap(),
    );
    put("manifest", "bundle", &common::bundle().manifest().to_json());

    put(
        "ramdisk",
        "few",
        &[2, 2, 0, 0, 3, 4, 9, 0, 0, 6, 4, 0, 0, 3, 3, 1, 0, 5, 2, 1],
    );
}
