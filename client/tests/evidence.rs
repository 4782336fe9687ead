//! Evidence of development enclaves against expectations: accepted as ordered, refused by name in every other case.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use attestation::{Root, Trust};
use client::evidence::{Verified, verify};
use client::{Expectation, Refusal, document};
use common::{Enclave, Evidence, roots};
use contract::RecordId;
use contract::row::Expected;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

fn check(evidence: &Evidence, expectation: &Expectation) -> Result<Verified, Refusal> {
    verify(
        &evidence.statement,
        &evidence.document,
        expectation,
        &roots(),
        SystemTime::now(),
    )
}

fn code(result: Result<Verified, Refusal>) -> &'static str {
    result.map_or_else(|refusal| refusal.code.as_str(), |_| "verified")
}

/// How evidence of `actual` is judged where the default enclave is expected.
fn judged(actual: &Enclave) -> &'static str {
    code(check(&actual.evidence(), &Enclave::default().expectation()))
}

#[test]
fn evidence_is_accepted_as_ordered() {
    let enclave = Enclave::default();
    let verified = check(&enclave.evidence(), &enclave.expectation()).unwrap();
    assert_eq!(verified.statement, enclave.statement());
    assert_eq!(verified.attested.trust(), Trust::Development);
    assert_eq!(
        verified.compared,
        [
            "0",
            "1",
            "2",
            "4",
            "16",
            "nonce",
            "timestamp",
            "statement",
            "record_id",
            "generation",
            "instance_id",
            "launch_digest",
            "image_digest"
        ]
    );
}

#[test]
fn instance_and_launch_are_compared_without_being_asked() {
    let expectation = Expectation {
        pcrs: BTreeMap::from([(0, vec![[0x10; 48]])]),
        ..Expectation::default()
    };
    let verified = check(&Enclave::default().evidence(), &expectation).unwrap();
    assert_eq!(verified.compared, ["0", "4", "16", "statement"]);
}

#[test]
fn evidence_of_another_enclave_with_the_same_image_is_refused() {
    let own = Enclave::default();
    assert_eq!(
        judged(&Enclave {
            record_id: "enc_2".into(),
            ..own.clone()
        }),
        "record_mismatch"
    );
    assert_eq!(
        judged(&Enclave {
            generation: 2,
            ..own.clone()
        }),
        "generation_mismatch"
    );
    assert_eq!(
        judged(&Enclave {
            generation: 4,
            ..own.clone()
        }),
        "generation_mismatch"
    );
    assert_eq!(
        judged(&Enclave {
            instance: "i-0fedcba9876543210".into(),
            ..own.clone()
        }),
        "instance_mismatch"
    );
    assert_eq!(
        judged(&Enclave {
            bundle: "sha256:00".into(),
            ..own.clone()
        }),
        "launch_mismatch"
    );
    assert_eq!(
        judged(&Enclave {
            image_digest: "sha256:00".into(),
            ..own.clone()
        }),
        "image_mismatch"
    );
    assert_eq!(
        judged(&Enclave {
            nonce: vec![8; 32],
            ..own.clone()
        }),
        "nonce"
    );
    assert_eq!(
        judged(&Enclave {
            nonce: vec![],
            ..own.clone()
        }),
        "nonce"
    );
    assert_eq!(
        judged(&Enclave {
            extended: Some([0; 48]),
            ..own.clone()
        }),
        "launch_not_bound"
    );
    assert_eq!(judged(&Enclave { debug: true, ..own }), "debug");
}

#[test]
fn each_register_is_compared_and_named() {
    let enclave = Enclave::default();
    let evidence = enclave.evidence();
    for index in [0, 1, 2, 4, 16] {
        let mut expectation = enclave.expectation();
        expectation.pcrs.insert(index, vec![[0xee; 48]]);
        let refusal = check(&evidence, &expectation).unwrap_err();
        assert_eq!(
            (refusal.code.as_str(), refusal.field),
            ("pcr", format!("pcrs[{index}]"))
        );
        expectation.pcrs.insert(
            index,
            [vec![[0xee; 48]], enclave.pcrs().remove(&index).unwrap()].concat(),
        );
        assert_eq!(
            code(check(&evidence, &expectation)),
            "verified",
            "any of two values"
        );
    }
}

#[test]
fn an_expectation_that_says_nothing_of_the_image_is_none() {
    let enclave = Enclave::default();
    let evidence = enclave.evidence();
    let mut expectation = enclave.expectation();
    for index in [0, 1, 2] {
        expectation.pcrs.remove(&index);
    }
    assert_eq!(code(check(&evidence, &expectation)), "no_expectation");
    expectation.pcrs.insert(0, vec![]);
    expectation.pcrs.insert(1, vec![[0x11; 48]]);
    assert_eq!(code(check(&evidence, &expectation)), "no_expectation");
}

#[test]
fn old_and_future_documents_are_refused() {
    let enclave = Enclave::default();
    let Evidence { statement, document } = enclave.evidence();
    let at = |now| {
        code(verify(
            &statement,
            &document,
            &enclave.expectation(),
            &roots(),
            now,
        ))
    };
    assert_eq!(at(SystemTime::now() + Duration::from_secs(200)), "stale");
    assert_eq!(
        at(SystemTime::now() + Duration::from_secs(86_400)),
        "certificate_expired"
    );
    assert_eq!(
        at(SystemTime::now() - Duration::from_secs(86_400)),
        "certificate_not_yet_valid"
    );
}

#[test]
fn a_debug_enclave_is_accepted_only_if_allowed_and_proves_no_image() {
    let enclave = Enclave {
        debug: true,
        ..Enclave::default()
    };
    let evidence = enclave.evidence();
    assert_eq!(code(check(&evidence, &enclave.expectation())), "debug");
    let allowed = Expectation {
        allow_debug: true,
        ..enclave.expectation()
    };
    let verified = check(&evidence, &allowed).unwrap();
    assert!(verified.attested.is_debug());
    assert_eq!(verified.attested.not_compared(), ["0", "1", "2"]);
    assert!(!verified.compared.contains(&"0".to_owned()));
}

#[test]
fn a_statement_stands_on_its_own_document_alone() {
    let enclave = Enclave::default();
    let evidence = enclave.evidence();
    let mut later = enclave.statement();
    later.sequence += 1;
    let swapped = Evidence {
        statement: later.encode(),
        document: evidence.document,
    };
    assert_eq!(
        code(check(&swapped, &enclave.expectation())),
        "statement_not_bound"
    );
    // The same content in another encoding: even if the document carries its digest.
    let mut indefinite = enclave.statement().encode();
    indefinite[0] = 0xbf;
    indefinite.push(0xff);
    let document = enclave.document(contract::statement::Statement::user_data(&indefinite).to_vec());
    let evidence = Evidence {
        statement: indefinite,
        document,
    };
    assert_eq!(
        code(check(&evidence, &enclave.expectation())),
        "statement_malformed"
    );
}

#[test]
fn every_flipped_byte_is_refused() {
    let enclave = Enclave::default();
    let Evidence { statement, document } = enclave.evidence();
    let (roots, now, expectation) = (roots(), SystemTime::now(), enclave.expectation());
    for at in 0..statement.len() {
        let mut flipped = statement.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(
            verify(&flipped, &document, &expectation, &roots, now).is_err(),
            "statement byte {at}"
        );
    }
    for at in 0..document.len() {
        let mut flipped = document.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(
            verify(&statement, &flipped, &expectation, &roots, now).is_err(),
            "document byte {at}"
        );
    }
}

#[test]
fn without_its_root_nothing_is_accepted() {
    let enclave = Enclave::default();
    let Evidence { statement, document } = enclave.evidence();
    let aws = [Root::aws_nitro()];
    assert_eq!(
        code(verify(
            &statement,
            &document,
            &enclave.expectation(),
            &aws,
            SystemTime::now()
        )),
        "unknown_root"
    );
}

#[test]
fn a_document_alone_may_go_without_an_expectation() {
    let enclave = Enclave::default();
    let bytes = enclave.evidence().document;
    let checked = |expectation: &Expectation, after: u64| {
        let now = SystemTime::now() + Duration::from_secs(after);
        document::verify(&bytes, expectation, &roots(), now)
            .map(|checked| checked.compared)
            .map_err(|refusal| refusal.code.as_str())
    };
    let nothing = Expectation::default();
    assert_eq!(checked(&nothing, 0).unwrap(), Vec::<String>::new());
    let timely = Expectation {
        max_age: Some(Duration::from_secs(60)),
        nonces: vec![vec![7; 32]],
        ..nothing.clone()
    };
    assert_eq!(checked(&timely, 0).unwrap(), ["nonce", "timestamp"]);
    assert_eq!(checked(&timely, 100), Err("stale"));
    let other = Expectation {
        nonces: vec![vec![8; 32]],
        ..nothing
    };
    assert_eq!(checked(&other, 0), Err("nonce"));
}

#[test]
fn the_pipelines_expectation_is_taken_over_with_every_fault_named() {
    let enclave = Enclave::default();
    let mut expected = Expected {
        generation: 3,
        image_digest: enclave.image_digest.clone(),
        bundle: enclave.bundle.clone(),
        pcrs: enclave
            .pcrs()
            .iter()
            .map(|(index, values)| (index.to_string(), hex::encode(values[0])))
            .collect(),
        instance_id: enclave.instance.clone(),
        challenge: hex::encode([1; 32]),
        challenge_since: None,
        previous_challenge: Some(hex::encode(&enclave.nonce)),
    };
    let id = RecordId::parse("enc_1").unwrap();
    let taken = Expectation::of(&expected, &id).unwrap();
    assert_eq!(
        taken,
        Expectation {
            launch_digest: None,
            max_age: None,
            ..enclave.expectation()
        },
        "the rest is the caller's"
    );
    expected.pcrs.insert("01".into(), "00".repeat(48));
    expected.pcrs.insert("2".into(), "00".into());
    expected.challenge = "zz".into();
    let fields: Vec<_> = Expectation::of(&expected, &id)
        .unwrap_err()
        .into_iter()
        .map(|f| f.field)
        .collect();
    assert_eq!(
        fields,
        ["expected.pcrs.01", "expected.pcrs.2", "expected.challenge"]
    );
}

proptest::proptest! {
    #[test]
    fn hostile_evidence_never_panics(
        statement in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..256),
        document in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..512),
    ) {
        let expectation = Enclave::default().expectation();
        proptest::prop_assert!(verify(&statement, &document, &expectation, &[], SystemTime::now()).is_err());
    }
}
