//! The development NSM's documents: accepted by the verifier under their own root only, and of the shape of
//! genuine ones.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::{Duration, SystemTime};

use attestation::{Code, Policy, Root, Trust, pcr4_of, verify};
use common::{AUTHORITY, measurements, module};
use minicbor::Decoder;
use minicbor::data::Type;
use nsm::{AttestationFields, Nsm};
use x509_parser::prelude::*;

fn development_root() -> Root {
    Root::from_pem(AUTHORITY.certificate_pem()).unwrap()
}

fn fields() -> AttestationFields {
    AttestationFields {
        user_data: Some(b"user data".to_vec()),
        nonce: Some(vec![7; 32]),
        public_key: Some(vec![9; 1024]),
    }
}

#[test]
fn a_document_is_accepted_under_the_development_root_only() {
    let mut module = module(false);
    let document = module.attestation(fields()).unwrap();
    let now = SystemTime::now();

    let genuine = verify(&document, &[Root::aws_nitro(), development_root()], now).unwrap();
    assert_eq!(genuine.trust(), Trust::Development);
    assert!(!genuine.is_debug());
    let policy = Policy::new()
        .pcr(0, measurements().pcr0)
        .pcr(1, measurements().pcr1)
        .pcr(2, measurements().pcr2)
        .pcr(8, measurements().pcr8.unwrap())
        .pcr(4, pcr4_of("i-0123456789abcdef0"))
        .pcr(3, [0; 48])
        .nonce([7; 32])
        .user_data(*b"user data")
        .public_key([9; 1024])
        .max_age(Duration::from_secs(120));
    genuine.check(&policy, now).unwrap();

    assert_eq!(
        verify(&document, &[Root::aws_nitro()], now).unwrap_err().kind(),
        Code::UnknownRoot
    );
}

#[test]
fn a_debug_document_has_no_measurements_but_names_its_instance() {
    let document = module(true).attestation(AttestationFields::default()).unwrap();
    let genuine = verify(&document, &[development_root()], SystemTime::now()).unwrap();
    assert!(genuine.is_debug());
    let pcrs = &genuine.document().pcrs;
    for index in [0, 1, 2, 8] {
        assert_eq!(pcrs[&index], [0; 48]);
    }
    assert_eq!(pcrs[&4], pcr4_of("i-0123456789abcdef0"));
}

#[test]
fn a_document_shows_the_locked_registers() {
    let mut module = module(false);
    let value = module.extend_pcr(16, b"launch").unwrap();
    module.extend_pcr(20, b"other").unwrap();
    let shown = |document: &[u8]| {
        let genuine = verify(document, &[development_root()], SystemTime::now()).unwrap();
        genuine.document().pcrs.clone()
    };
    let before = shown(&module.attestation(AttestationFields::default()).unwrap());
    assert_eq!(
        before.into_keys().collect::<Vec<_>>(),
        (0..16).collect::<Vec<_>>()
    );
    module.lock_pcrs(17).unwrap();
    let after = shown(&module.attestation(AttestationFields::default()).unwrap());
    assert_eq!(after.len(), 17);
    assert_eq!(after[&16], value);
}

#[test]
fn the_chain_has_the_steps_of_the_genuine_one() {
    let document = module(false).attestation(AttestationFields::default()).unwrap();
    let genuine = verify(&document, &[development_root()], SystemTime::now()).unwrap();
    let document = genuine.document();
    assert_eq!(document.cabundle.len(), 4);
    assert_eq!(document.cabundle[0], AUTHORITY.certificate());

    let seconds = |certificate: &X509Certificate<'_>| {
        certificate.validity().not_after.timestamp() - certificate.validity().not_before.timestamp()
    };
    for (der, path_length, days, signs_documents) in [
        (&document.cabundle[1], 2, 20, true),
        (&document.cabundle[2], 1, 6, true),
        (&document.cabundle[3], 0, 1, false),
    ] {
        let (_, certificate) = X509Certificate::from_der(der).unwrap();
        let constraints = certificate.basic_constraints().unwrap().unwrap();
        assert!(constraints.critical && constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, Some(path_length));
        assert_eq!(seconds(&certificate), days * 86_400);
        let usage = certificate.key_usage().unwrap().unwrap().value;
        assert!(usage.key_cert_sign());
        assert_eq!(usage.digital_signature(), signs_documents);
        assert!(
            certificate
                .get_extension_unique(&oid_registry::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER)
                .unwrap()
                .is_some()
        );
    }

    let (_, leaf) = X509Certificate::from_der(&document.certificate).unwrap();
    assert_eq!(seconds(&leaf), 3 * 3_600);
    assert!(!leaf.basic_constraints().unwrap().unwrap().value.ca);
    let usage = leaf.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && usage.non_repudiation() && !usage.key_cert_sign());
    assert_eq!(leaf.extensions().len(), 2, "no key identifiers");
    for der in document.cabundle.iter().chain([&document.certificate]) {
        let (_, certificate) = X509Certificate::from_der(der).unwrap();
        assert!(der.len() <= 1024);
        assert!(certificate.subject().to_string().contains("DEVELOPMENT"));
    }
}

/// The skeleton of a document: the types in their order, names and register numbers; not what differs from
/// document to document.
fn skeleton(document: &[u8]) -> Vec<String> {
    let mut decoder = Decoder::new(document);
    decoder.array().unwrap();
    let protected = decoder.bytes().unwrap();
    decoder.map().unwrap();
    let payload = decoder.bytes().unwrap();
    assert_eq!(decoder.bytes().unwrap().len(), 96);
    let mut skeleton = Vec::new();
    for cbor in [document, protected, payload] {
        let mut decoder = Decoder::new(cbor);
        walk(&mut decoder, &mut skeleton);
        assert_eq!(decoder.position(), cbor.len());
    }
    skeleton
}

fn walk(decoder: &mut Decoder<'_>, skeleton: &mut Vec<String>) {
    let kind = decoder.datatype().unwrap();
    match kind {
        Type::Array => {
            let length = decoder.array().unwrap().unwrap();
            skeleton.push(format!("array of {length}"));
            (0..length).for_each(|_| walk(decoder, skeleton));
        }
        Type::Map => {
            let length = decoder.map().unwrap().unwrap();
            skeleton.push(format!("map of {length}"));
            (0..2 * length).for_each(|_| walk(decoder, skeleton));
        }
        Type::MapIndef => {
            decoder.map().unwrap();
            skeleton.push("map to its break".to_owned());
            while decoder.datatype().unwrap() != Type::Break {
                walk(decoder, skeleton);
            }
            decoder.skip().unwrap();
        }
        Type::String => {
            let text = decoder.str().unwrap();
            skeleton.push(if text.starts_with("i-") { "module id" } else { text }.to_owned());
        }
        Type::U8 => skeleton.push(decoder.u8().unwrap().to_string()),
        _ => {
            decoder.skip().unwrap();
            skeleton.push(kind.to_string());
        }
    }
}

#[test]
fn a_document_has_the_skeleton_of_genuine_ones() {
    let Some(vectors) = std::env::var_os("TREZA_VECTORS") else {
        println!("skipped: TREZA_VECTORS is not set");
        return;
    };
    let directory = std::path::Path::new(&vectors).join("attestation");
    let mut compared = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        // Since the summer of 2025 AWS's payloads are maps of indefinite length.
        if !name.starts_with("ok-") || name < "ok-2025-08" {
            continue;
        }
        let document = std::fs::read(&path).unwrap();
        let genuine = attestation::Document::parse_unverified(&document).unwrap();
        let ours = module(false)
            .attestation(AttestationFields {
                user_data: genuine.user_data,
                nonce: genuine.nonce,
                public_key: genuine.public_key,
            })
            .unwrap();
        assert_eq!(skeleton(&ours), skeleton(&document), "{name}");
        compared += 1;
    }
    assert!(compared > 0, "no genuine document to compare with");
}
