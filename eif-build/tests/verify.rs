//! Verification: every check has its own answer, and one that fails does not hide the others.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod common;

use std::{fs, io::Cursor, time::SystemTime};

use common::eif::{by_hand, certificate_until, open, seal, signer, small, sound, with_ramdisks};
use eif_build::{
    Subject::{self, CertificateDates, Crc, Metadata, SectionTable, Signature, SignedValue, Structure},
    Verification,
    eif::{SectionKind, Signer, Writer},
};
use tempfile::tempdir;

const CURVE: &rcgen::SignatureAlgorithm = &rcgen::PKCS_ECDSA_P384_SHA384;

fn verify(eif: &[u8]) -> Verification {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.eif");
    fs::write(&path, eif).unwrap();
    eif_build::verify(&path, SystemTime::now()).unwrap()
}

/// The checks that failed, with their messages.
fn refused(eif: &[u8]) -> Vec<(Subject, String)> {
    let failed = verify(eif).checks.into_iter().filter(|check| !check.passed);
    failed.map(|check| (check.check, check.message)).collect()
}

fn only(eif: &[u8], subject: Subject, message: &str) {
    let found = refused(eif);
    assert!(
        matches!(&found[..], [(failed, text)] if *failed == subject && text.contains(message)),
        "{found:?} instead of {subject:?}: {message}"
    );
}

/// The content of an EIF's signature section.
fn signature(eif: &[u8]) -> Vec<u8> {
    let mut eif = open(eif).unwrap();
    let sections = eif.sections().to_vec();
    let section = sections
        .iter()
        .find(|section| section.kind == SectionKind::Signature);
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut eif.section(section.unwrap()).unwrap(), &mut bytes).unwrap();
    bytes
}

fn with_signature(signature: Vec<u8>) -> Vec<u8> {
    let mut sections = sound();
    sections.push((4, 0, signature));
    by_hand(&sections)
}

#[test]
fn a_sound_file_passes_every_check() {
    let signer = signer(CURVE);
    let found = verify(&small(Some(&signer)));
    assert!(found.passed(), "{found:?}");
    let subjects: Vec<_> = found.checks.iter().map(|check| check.check).collect();
    assert_eq!(
        subjects,
        [
            Structure,
            SectionTable,
            Crc,
            Metadata,
            Signature,
            CertificateDates,
            SignedValue
        ]
    );
    assert_eq!(found.pcrs.unwrap().pcr8, Some(signer.certificate().pcr8()));
}

#[test]
fn each_fault_is_told_by_its_own_check() {
    let signed = small(Some(&signer(CURVE)));
    only(b"not an EIF", Structure, "fewer than its header");
    let mut stale = signed.clone();
    stale[284 + 7] ^= 1;
    seal(&mut stale);
    only(&stale, SectionTable, "two images in one");
    let mut damaged = signed.clone();
    damaged[560] ^= 1;
    let both = refused(&damaged);
    assert!(
        matches!(&both[..], [(Crc, _), (SignedValue, _)]),
        "a changed kernel is told by the CRC and by what was signed: {both:?}"
    );
    let mut crc = signed.clone();
    crc[547] ^= 1;
    only(&crc, Crc, "its header says CRC");
    only(&small(None), Signature, "not signed");
    let mut sections = sound();
    sections[2].2 = b"{".to_vec();
    sections.push((4, 0, signature(&with_sections_measured_alike())));
    only(&by_hand(&sections), Metadata, "its metadata");
}

/// Signed, and measured as [`sound`] is.
fn with_sections_measured_alike() -> Vec<u8> {
    let mut writer = Writer::new(Cursor::new(Vec::new()), false).unwrap();
    for (kind, _, data) in sound() {
        match kind {
            1 => writer.section(SectionKind::Kernel, &data).unwrap(),
            2 => writer.section(SectionKind::Cmdline, &data).unwrap(),
            3 => writer.section(SectionKind::Ramdisk, &data).unwrap(),
            _ => writer.metadata(&serde_json::from_slice(&data).unwrap()).unwrap(),
        }
    }
    let signed = writer.finish(Some(&signer(CURVE))).unwrap();
    signed.output.into_inner()
}

#[test]
fn a_signature_over_another_image_is_refused() {
    let other = with_ramdisks(&[&[1; 9]], Some(&signer(CURVE)));
    only(
        &with_signature(signature(&other)),
        SignedValue,
        "made for another image",
    );
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let (mine, other) = (
        signature(&small(Some(&signer(CURVE)))),
        small(Some(&signer(CURVE))),
    );
    // The other's certificate beside my signature: both sections have a map of two byte fields.
    let field = b"\x69signature";
    let at = |bytes: &[u8]| bytes.windows(field.len()).position(|it| it == field).unwrap();
    let other = signature(&other);
    let mixed = [&other[..at(&other)], &mine[at(&mine)..]].concat();
    let eif = replaced(&small(Some(&signer(CURVE))), mixed);
    only(&eif, Signature, "not made with its certificate's key");
}

/// A signed EIF with another signature section.
fn replaced(eif: &[u8], signature: Vec<u8>) -> Vec<u8> {
    let mut found = open(eif).unwrap();
    let sections = found.sections().to_vec();
    let read = |section: &eif_build::eif::Section| {
        let kind = match section.kind {
            SectionKind::Kernel => 1,
            SectionKind::Cmdline => 2,
            SectionKind::Ramdisk => 3,
            SectionKind::Signature => return (4, 0, signature.clone()),
            SectionKind::Metadata => 5,
        };
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut found.section(section).unwrap(), &mut bytes).unwrap();
        (kind, 0, bytes)
    };
    by_hand(&sections.iter().map(read).collect::<Vec<_>>())
}

#[test]
fn an_expired_certificate_is_refused_and_nothing_else() {
    let (certificate, key) = certificate_until(CURVE, 2001);
    let signer = Signer::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    only(&small(Some(&signer)), CertificateDates, "to 2001-01-01T00:00:00Z");
}

#[test]
fn signature_sections_that_are_not_sound_are_refused() {
    for (bytes, message) in [
        (vec![], "end of input"),
        (b"\x80".to_vec(), "not an array of one"),
        (b"\x82\xa0\xa0".to_vec(), "not an array of one"),
        (b"\x81\xa1\x61a\x00".to_vec(), "two fields"),
        (vec![0xff; 32_768], "unexpected type"),
        // A hundred thousand million integers are claimed.
        (
            b"\x81\xa2\x73signing_certificate\x9b\0\0\0\xff\0\0\0\0".to_vec(),
            "longer than what holds it",
        ),
        (
            b"\x81\xa2\x73signing_certificate\x40\x69signature\x40".to_vec(),
            "no CERTIFICATE block",
        ),
    ] {
        only(&with_signature(bytes), Signature, message);
    }
    let whole = signature(&small(Some(&signer(CURVE))));
    for cut in (0..whole.len()).step_by(7) {
        let found = refused(&with_signature(whole[..cut].to_vec()));
        assert!(matches!(&found[..], [(Signature, _)]), "{cut}: {found:?}");
    }
    only(
        &with_signature([&whole[..], &[0]].concat()),
        Signature,
        "bytes follow",
    );
    only(
        &with_signature(vec![0; 32_769]),
        Structure,
        "32769 bytes are too many",
    );
}
