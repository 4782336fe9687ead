//! What a proof claims, and what it does not.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use client::image::Measured;
use client::options::Time;
use client::proof::Proof;
use client::{Expectation, row};
use common::{Enclave, roots};
use contract::item;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// What a row's evidence proves where `pcrs` are expected.
fn proof(enclave: &Enclave, nsm: Option<bool>, pcrs: BTreeMap<u8, Vec<[u8; 48]>>) -> Proof {
    let item = item::read(&enclave.row(&enclave.evidence()).to_string()).unwrap();
    let expectation = Expectation {
        pcrs,
        allow_debug: true,
        ..Expectation::default()
    };
    let now = SystemTime::now();
    let verified = row::verify(item, &expectation, None, &roots(), now).unwrap();
    let image = nsm.map(|nsm| Measured {
        digest: enclave.image_digest.clone(),
        bundle: enclave.bundle.clone(),
        pcrs: BTreeMap::new(),
        nsm,
    });
    Proof {
        image,
        ..Proof::of_row(verified, Time::Now(now))
    }
}

/// The subjects that are proven of a row, and those that are not.
fn subjects(enclave: &Enclave, nsm: Option<bool>) -> (Vec<&'static str>, Vec<&'static str>) {
    let proof = proof(enclave, nsm, BTreeMap::from([(0, vec![[0x10; 48]])]));
    let (proven, unproven): (Vec<_>, Vec<_>) = proof.claims().into_iter().partition(|claim| claim.proven);
    let subjects =
        |claims: Vec<client::claims::Claim>| claims.into_iter().map(|claim| claim.subject).collect();
    (subjects(proven), subjects(unproven))
}

#[test]
fn a_measured_image_without_the_module_proves_its_agents_words() {
    let (proven, unproven) = subjects(&Enclave::default(), Some(false));
    assert_eq!(
        proven,
        [
            "document",
            "image",
            "instance",
            "row",
            "configuration",
            "health",
            "made"
        ]
    );
    assert_eq!(unproven, ["hardware", "rest of the row", "challenge"]);
}

#[test]
fn an_application_with_the_module_could_have_spoken_itself() {
    for nsm in [Some(true), None] {
        let (proven, unproven) = subjects(&Enclave::default(), nsm);
        assert!(proven.contains(&"row") && proven.contains(&"configuration"));
        assert!(unproven.contains(&"health") && unproven.contains(&"statement's author"));
    }
}

#[test]
fn a_debug_enclave_proves_neither_image_nor_words() {
    let (proven, unproven) = subjects(
        &Enclave {
            debug: true,
            ..Enclave::default()
        },
        Some(false),
    );
    assert_eq!(proven, ["document", "instance", "made"]);
    assert!(unproven.contains(&"image") && unproven.contains(&"configuration"));
}

#[test]
fn a_signer_answers_for_the_image_and_not_for_what_the_row_says() {
    let enclave = Enclave {
        signer: Some([0x18; 48]),
        ..Enclave::default()
    };
    let claims = proof(&enclave, None, BTreeMap::from([(8, vec![[0x18; 48]])])).claims();
    let claim = |subject| claims.iter().find(|claim| claim.subject == subject).unwrap();
    let image = claim("image");
    assert_eq!(
        (image.proven, image.finding.as_str(), image.by.as_str()),
        (true, "an image of this signer", "PCR8")
    );
    for subject in ["row", "configuration", "health", "image digest"] {
        assert!(!claim(subject).proven, "{subject}");
    }
    assert!(claim("row").finding.contains("any agent"));
}

#[test]
fn a_documents_register_that_leaves_the_agent_open_proves_no_image() {
    for index in [1, 2] {
        let mut proof = proof(&Enclave::default(), None, Enclave::default().pcrs());
        proof.statement = None;
        proof.compared = vec![index.to_string()];
        let claims = proof.claims();
        let image = claims.iter().find(|claim| claim.subject == "image").unwrap();
        assert!(!image.proven, "PCR{index}");
    }
}
