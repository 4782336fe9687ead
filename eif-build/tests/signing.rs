//! Signatures: by every curve, the same each time, in place of another.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod common;

use std::{fs, io::Cursor, time::SystemTime};

use aws_lc_rs::{
    encoding::AsDer,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use common::eif::{by_hand, certificate, open, seal, signer, small, sound};
use eif_build::eif::{Error, Signer, resign};
use tempfile::tempdir;

const CURVES: [&rcgen::SignatureAlgorithm; 3] = [
    &rcgen::PKCS_ECDSA_P256_SHA256,
    &rcgen::PKCS_ECDSA_P384_SHA384,
    &rcgen::PKCS_ECDSA_P521_SHA512,
];

fn signed_again(eif: &[u8], signer: &Signer) -> Vec<u8> {
    let signed = resign(&mut open(eif).unwrap(), signer, Cursor::new(Vec::new()));
    signed.unwrap().output.into_inner()
}

/// The key of a PKCS#8 file as SEC1, PEM.
fn sec1(pkcs8: &str) -> String {
    let algorithms = [
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        &ECDSA_P384_SHA384_FIXED_SIGNING,
        &ECDSA_P521_SHA512_FIXED_SIGNING,
    ];
    let base64: String = pkcs8.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(base64).unwrap();
    let pair = algorithms
        .into_iter()
        .find_map(|algorithm| EcdsaKeyPair::from_private_key_der(algorithm, &der).ok());
    let sec1 = pair.unwrap().private_key().as_der().unwrap();
    let body = STANDARD.encode(sec1.as_ref());
    format!("-----BEGIN EC PRIVATE KEY-----\n{body}\n-----END EC PRIVATE KEY-----\n")
}

#[test]
fn the_same_key_gives_the_same_bytes_however_it_is_written() {
    for curve in CURVES {
        let (certificate, key) = certificate(curve);
        let sign = |key: &str| {
            let signer = Signer::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
            small(Some(&signer))
        };
        let first = sign(&key);
        assert!(first == sign(&key), "signed twice");
        assert!(first == sign(&sec1(&key)), "signed with the key as SEC1");
        open(&first).unwrap().verify().unwrap();
    }
}

#[test]
fn signing_again_is_as_if_there_had_been_no_signature() {
    for curve in CURVES {
        let signer = signer(curve);
        let signed = small(Some(&signer));
        for other in CURVES {
            let other = small(Some(&self::signer(other)));
            assert!(signed_again(&other, &signer) == signed);
        }
        assert!(signed_again(&signed, &signer) == signed);
    }
}

#[test]
fn signing_leaves_header_and_other_sections_as_they_are() {
    let mut sections = sound();
    // The signature stands before the ramdisks, which move.
    sections.insert(3, (4, 0, b"not even CBOR".to_vec()));
    let mut eif = by_hand(&sections);
    eif[7] = 1;
    eif[8..16].copy_from_slice(&77u64.to_be_bytes());
    eif[16..24].copy_from_slice(&3u64.to_be_bytes());
    seal(&mut eif);
    let signed = signed_again(&eif, &signer(CURVES[1]));
    assert_eq!(signed[..24], eif[..24]);
    let mut found = open(&signed).unwrap();
    assert!(found.is_arm64());
    assert_eq!(found.defaults(), (77, 3));
    let kinds: Vec<_> = found
        .sections()
        .iter()
        .map(|section| section.kind.name())
        .collect();
    assert_eq!(kinds, ["kernel", "cmdline", "metadata", "ramdisk", "signature"]);
    found.verify().unwrap();
}

#[test]
fn a_file_is_signed_whole_or_not_at_all() {
    let folder = tempdir().unwrap();
    let (path, output) = (folder.path().join("a.eif"), folder.path().join("b.eif"));
    let signer = signer(CURVES[0]);
    let mut damaged = small(None);
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    fs::write(&path, &damaged).unwrap();
    for output in [&path, &output] {
        let refused = eif_build::sign(&path, &signer, output).unwrap_err();
        assert!(refused.is_refusal(), "{refused}");
    }
    assert!(fs::read(&path).unwrap() == damaged, "it is left as it was");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    fs::write(&path, small(None)).unwrap();
    let pcrs = eif_build::sign(&path, &signer, &path).unwrap();
    let verified = eif_build::verify(&path, SystemTime::now()).unwrap();
    assert!(verified.passed() && verified.pcrs == Some(pcrs), "{verified:?}");
    assert!(fs::read(&path).unwrap() == small(Some(&signer)));
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
    let other_curve = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let refused =
        Signer::from_pem(certificate.as_bytes(), other_curve.serialize_pem().as_bytes()).unwrap_err();
    assert!(refused.to_string().contains("not one for ES384"), "{refused}");
    let locked = key.serialize_pem().replace("PRIVATE", "ENCRYPTED PRIVATE");
    let refused = Signer::from_pem(certificate.as_bytes(), locked.as_bytes()).unwrap_err();
    assert!(refused.to_string().contains("openssl pkey"), "{refused}");
}
