//! The EIF itself: other builders' files, and what is changed in a file.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod common;

use std::{fs, io::Cursor};

use common::eif::{open, signer, small};
use eif_build::{
    eif::{Eif, Error, SectionKind, Writer},
    inspect,
};
use proptest::prelude::*;

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
    let error = Eif::open(&path).unwrap_err();
    assert!(matches!(error, Error::Table { .. }), "{error}");
    let error = error.to_string();
    assert!(
        error.contains("the table says 1962 bytes, its own header 2040"),
        "{error}"
    );
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
