//! The EIF itself: other builders' files, hostile files, signatures.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod common;

use std::{fs, io::Cursor, time::SystemTime};

use eif_build::{
    eif::{Eif, Error, Metadata, SectionKind, Signer, Writer, resign},
    inspect,
};
use proptest::prelude::*;

fn small(signer: Option<&Signer>) -> Vec<u8> {
    let mut writer = Writer::new(Cursor::new(Vec::new()), false).unwrap();
    writer.section(SectionKind::Kernel, &[7; 300]).unwrap();
    writer.section(SectionKind::Cmdline, b"quiet").unwrap();
    writer
        .metadata(&Metadata::new("a", "1", "1970-01-01T00:00:00+00:00", "6"))
        .unwrap();
    writer.section(SectionKind::Ramdisk, &[8; 200]).unwrap();
    writer.section(SectionKind::Ramdisk, &[9; 100]).unwrap();
    writer.finish(signer).unwrap().output.into_inner()
}

fn signer(algorithm: &'static rcgen::SignatureAlgorithm) -> Signer {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["a.test".into()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    Signer::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
}

fn open(bytes: &[u8]) -> Result<Eif<Cursor<&[u8]>>, Error> {
    Eif::new(Cursor::new(bytes))
}

#[test]
fn vectors_measure_as_the_peer_says() {
    for name in ["t1", "t2", "t2-emptycmd", "t2-p256", "t2-p384", "t2-p521", "t3"] {
        let Some(path) = common::vector(&format!("eif/{name}.eif")) else {
            return;
        };
        let expected: serde_json::Value =
            serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
        let found = serde_json::to_value(inspect(&path).unwrap().pcrs).unwrap();
        for pcr in ["PCR0", "PCR1", "PCR2", "PCR8"] {
            assert_eq!(found.get(pcr), expected.get(pcr), "{name} {pcr}");
        }
    }
}

#[test]
fn vectors_verify_and_are_written_again_byte_for_byte() {
    for name in ["t2-p256", "t2-p384", "t2-p521"] {
        let Some(path) = common::vector(&format!("eif/{name}.eif")) else {
            return;
        };
        Eif::open(&path).unwrap().verify().unwrap();
    }
    let Some(path) = common::vector("eif/t2.eif") else {
        return;
    };
    let bytes = fs::read(&path).unwrap();
    let mut eif = open(&bytes).unwrap();
    let mut writer = Writer::new(Cursor::new(Vec::new()), false).unwrap();
    eif.scan(|section, data| match data {
        None => writer.begin(section.kind, section.size),
        Some(data) => Ok(std::io::Write::write_all(&mut writer, data)?),
    })
    .unwrap();
    assert_eq!(writer.finish(None).unwrap().output.into_inner(), bytes);
}

#[test]
fn table_and_walk_that_disagree_are_refused() {
    let Some(path) = common::vector("eif/t2-resigned-peerbug.eif") else {
        return;
    };
    let error = Eif::open(&path).unwrap_err().to_string();
    assert!(
        error.contains("the table says 1962 bytes, its own header 2040"),
        "{error}"
    );
}

#[test]
fn signatures_of_every_curve_verify_and_are_replaced() {
    let algorithms = [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
    ];
    let unsigned = small(None);
    assert!(matches!(open(&unsigned).unwrap().verify(), Err(Error::Unsigned)));
    for algorithm in algorithms {
        let signer = signer(algorithm);
        let signed = small(Some(&signer));
        let (pcrs, certificate) = open(&signed).unwrap().verify().unwrap();
        certificate.check_dates(SystemTime::now()).unwrap();
        assert!(certificate.check_dates(SystemTime::UNIX_EPOCH).is_err());
        assert!(pcrs.pcr8.is_some());
        let other = self::signer(&rcgen::PKCS_ECDSA_P384_SHA384);
        let again = resign(&mut open(&signed).unwrap(), &other, Cursor::new(Vec::new())).unwrap();
        let again = again.output.into_inner();
        let (found, certificate) = open(&again).unwrap().verify().unwrap();
        assert_eq!((found.pcr0, certificate.algorithm()), (pcrs.pcr0, "ES384"));
        assert_ne!(found.pcr8, pcrs.pcr8);
    }
}

#[test]
fn a_signature_of_another_image_is_refused() {
    let signer = signer(&rcgen::PKCS_ECDSA_P384_SHA384);
    let signed = small(Some(&signer));
    let mut eif = open(&signed).unwrap();
    let sections = eif.sections().to_vec();
    let signature = sections
        .iter()
        .find(|section| section.kind == SectionKind::Signature)
        .unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut eif.section(signature).unwrap(), &mut bytes).unwrap();
    let mut writer = Writer::new(Cursor::new(Vec::new()), false).unwrap();
    writer.section(SectionKind::Kernel, &[6; 300]).unwrap();
    writer.section(SectionKind::Cmdline, b"quiet").unwrap();
    writer
        .metadata(&Metadata::new("a", "1", "1970-01-01T00:00:00+00:00", "6"))
        .unwrap();
    writer.section(SectionKind::Ramdisk, &[8; 200]).unwrap();
    writer.section(SectionKind::Signature, &bytes).unwrap();
    let forged = writer.finish(None).unwrap().output.into_inner();
    let error = open(&forged).unwrap().verify().unwrap_err().to_string();
    assert!(error.contains("this file's PCR0 is"), "{error}");
}

#[test]
fn key_and_certificate_must_belong_together() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["a.test".into()])
        .unwrap()
        .self_signed(&key)
        .unwrap()
        .pem();
    let refused = Signer::from_pem(certificate.as_bytes(), other.serialize_pem().as_bytes()).unwrap_err();
    assert!(refused.to_string().contains("another key's"), "{refused}");
    assert!(Signer::from_pem(certificate.as_bytes(), b"nothing").is_err());
    assert!(Signer::from_pem(b"", key.serialize_pem().as_bytes()).is_err());
}

#[test]
fn every_byte_that_is_changed_is_noticed() {
    let whole = small(Some(&signer(&rcgen::PKCS_ECDSA_P256_SHA256)));
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let verified = open(&bytes).and_then(|mut eif| eif.verify());
        assert!(verified.is_err(), "byte {at}");
    }
}

#[test]
fn claims_beyond_the_file_are_refused() {
    let whole = small(None);
    for length in [0, 547, 548, 559, 600, whole.len() - 1] {
        assert!(open(&whole[..length]).is_err(), "{length} bytes");
    }
    let with = |at: usize, value: &[u8]| {
        let mut bytes = whole.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        bytes
    };
    let huge = u64::MAX.to_be_bytes();
    let both = {
        let mut bytes = with(284, &huge);
        bytes[552..560].copy_from_slice(&huge);
        bytes
    };
    for (what, bytes) in [
        ("33 sections", with(26, &[0, 33])),
        ("65535 sections", with(26, &[255, 255])),
        ("1 section", with(26, &[0, 1])),
        ("version 3", with(4, &[0, 3])),
        ("a size in the table", with(284, &huge)),
        ("a size in table and section", both),
        ("an offset", with(28, &huge)),
        ("an unknown section", with(548, &[0, 9])),
        ("bytes after the end", [&whole[..], &[0]].concat()),
    ] {
        assert!(open(&bytes).is_err(), "{what}");
    }
}

#[test]
fn a_section_that_is_too_large_or_short_is_not_written() {
    let mut writer = Writer::new(std::io::empty(), false).unwrap();
    assert!(writer.section(SectionKind::Signature, &[0; 32_769]).is_err());
    writer.begin(SectionKind::Kernel, 5).unwrap();
    assert!(writer.finish(None).is_err());
}

proptest! {
    #[test]
    fn hostile_files_are_an_error_at_worst(changes in prop::collection::vec((0usize..900, any::<u8>()), 0..8), cut in 0usize..1200) {
        let mut bytes = small(None);
        for (at, value) in changes {
            let length = bytes.len();
            bytes[at % length] = value;
        }
        bytes.truncate(cut.max(1));
        if let Ok(mut eif) = open(&bytes) {
            let _ = (eif.check(), eif.metadata(), eif.cmdline(), eif.verify());
        }
    }
}
