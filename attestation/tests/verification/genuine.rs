//! Documents that AWS signed, from the folder that `TREZA_VECTORS` names.

use crate::authority::at;
use crate::support::code;
use attestation::{Code, Document, Policy, Root, Trust, pcr4_of, verify};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) document: Vec<u8>,
    about: Value,
}

impl Vector {
    /// First and last second at which the whole chain is valid; 0 for a document that has no such chain.
    pub(crate) fn window(&self) -> [u64; 2] {
        [0, 1].map(|end| self.about["window_unix"][end].as_u64().unwrap_or(0))
    }
}

pub(crate) fn vectors() -> Vec<Vector> {
    let Some(folder) = std::env::var_os("TREZA_VECTORS") else {
        eprintln!("skipped: TREZA_VECTORS does not name a folder of genuine documents");
        return Vec::new();
    };
    let folder = PathBuf::from(folder).join("attestation");
    let index: Vec<Value> = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
    assert!(!index.is_empty());
    index
        .into_iter()
        .map(|about| {
            let name = about["file"].as_str().unwrap().to_owned();
            Vector {
                document: fs::read(folder.join(&name)).unwrap(),
                name,
                about,
            }
        })
        .collect()
}

pub(crate) fn good() -> impl Iterator<Item = Vector> {
    vectors()
        .into_iter()
        .filter(|vector| vector.about["valid"] == true)
}

#[test]
fn genuine_documents_are_accepted_in_their_window_and_only_there() {
    let roots = [Root::aws_nitro()];
    for vector in good() {
        let [start, end] = vector.window();
        for second in [start, end] {
            let genuine = verify(&vector.document, &roots, at(second))
                .unwrap_or_else(|refusal| panic!("{}: {refusal}", vector.name));
            assert_eq!(genuine.trust(), Trust::AwsNitro);
        }
        let before = code(verify(&vector.document, &roots, at(start - 1)));
        assert_eq!(before, Code::CertificateNotYetValid, "{}", vector.name);
        assert_eq!(
            code(verify(&vector.document, &roots, at(end + 1))),
            Code::CertificateExpired,
            "{}",
            vector.name
        );
    }
}

#[test]
fn the_fields_are_read_as_they_are() {
    for vector in good() {
        let document = Document::parse_unverified(&vector.document).unwrap();
        assert_eq!(document.module_id, vector.about["module_id"]);
        assert_eq!(document.timestamp_ms, vector.about["timestamp_ms"]);
        assert_eq!(
            document.is_debug(),
            vector.about["debug"] == true,
            "{}",
            vector.name
        );
        assert_eq!(document.pcrs[&4], pcr4_of(document.instance_id()));
        for (index, value) in vector.about["pcrs"].as_object().unwrap() {
            assert_eq!(
                hex::encode(document.pcrs[&index.parse().unwrap()]),
                *value,
                "{}",
                vector.name
            );
        }
        for (key, field) in [
            ("public_key", document.public_key),
            ("user_data", document.user_data),
            ("nonce", document.nonce),
        ] {
            assert_eq!(
                field.is_some(),
                vector.about[key] == "bytes",
                "{} {key}",
                vector.name
            );
        }
    }
}

#[test]
fn a_debug_document_needs_the_policy_to_allow_it() {
    for vector in good() {
        let now = at(vector.window()[0]);
        let genuine = verify(&vector.document, &[Root::aws_nitro()], now).unwrap();
        let policy = Policy::new()
            .pcr(0, genuine.document().pcrs[&0])
            .pcr(4, genuine.document().pcrs[&4]);
        if genuine.is_debug() {
            assert_eq!(code(genuine.clone().check(&policy, now)), Code::Debug);
            let attested = genuine.check(&policy.allow_debug(true), now).unwrap();
            assert_eq!(
                (attested.compared(), attested.not_compared()),
                (&["4".into()][..], &["0".into()][..])
            );
        } else {
            assert_eq!(genuine.check(&policy, now).unwrap().compared(), ["0", "4"]);
        }
    }
}

#[test]
fn bad_documents_are_refused_for_the_right_reason() {
    for vector in vectors()
        .into_iter()
        .filter(|vector| vector.about["valid"] == false)
    {
        let (second, expected) = match vector.about["why"].as_str().unwrap() {
            why if why.contains("nitrotpm_pcrs") => (0, Code::NitroTpm),
            why if why.contains("signature") => (vector.window()[0], Code::Signature),
            why if why.contains("another root") => (vector.window()[1], Code::UnknownRoot),
            why => panic!("{}: no code for {why:?}", vector.name),
        };
        assert_eq!(
            code(verify(&vector.document, &[Root::aws_nitro()], at(second))),
            expected,
            "{}",
            vector.name
        );
    }
}

#[test]
fn every_changed_bit_of_a_genuine_document_of_either_encoding_is_refused() {
    for payload_map in ["definite", "indefinite"] {
        let Some(vector) = good().find(|vector| vector.about["payload_map"] == payload_map) else {
            continue;
        };
        let now = at(vector.window()[0]);
        let roots = [Root::aws_nitro()];
        crate::mutation::refuse_every_flip_and_truncation(&vector.document, |document| {
            verify(document, &roots, now)
        });
    }
}
