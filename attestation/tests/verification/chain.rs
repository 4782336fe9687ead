//! The chain: each rule of each place.

use crate::authority::{Authority, Draft, LEAF, LEAF_END, LEAF_START, NOW, ROOT, at, bundle_of, bytes};
use crate::support::{INSTANCE, REGIONAL, ZONAL, code, parsed};
use attestation::{Code, Root, RootError, Trust, verify};
use rcgen::{
    BasicConstraints, CustomExtension, DnType, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384,
};
use time::OffsetDateTime;

#[test]
fn only_a_root_that_the_verifier_holds_is_trusted() {
    let authority = Authority::new();
    let document = authority.sign(&authority.draft());
    let own = Root::from_der(&parsed(&document).cabundle[ROOT]).unwrap();
    let other = Root::from_der(&Authority::new().issue()[ROOT]).unwrap();
    for roots in [
        vec![],
        vec![Root::aws_nitro()],
        vec![Root::aws_nitro(), other.clone()],
    ] {
        assert_eq!(code(verify(&document, &roots, at(NOW))), Code::UnknownRoot);
    }
    verify(&document, &[Root::aws_nitro(), other, own], at(NOW)).unwrap();
}

#[test]
fn a_root_of_the_same_name_and_key_is_not_the_root() {
    let authority = Authority::new();
    let held = Root::from_der(&authority.issue_one(ROOT, ROOT)).unwrap();
    let mut renewed = Authority {
        params: authority.params.clone(),
        keys: authority.keys,
    };
    renewed.params[ROOT].not_after += time::Duration::days(1);
    let document = renewed.sign(&renewed.draft());
    assert_eq!(code(verify(&document, &[held], at(NOW))), Code::UnknownRoot);
}

#[test]
fn the_aws_root_in_front_does_not_lend_its_trust() {
    let authority = Authority::new();
    let mut certificates = authority.issue();
    certificates[ROOT] = Root::aws_nitro().der().to_vec();
    let document = authority.sign(&Draft::new(&certificates));
    assert_eq!(
        code(verify(&document, &[Root::aws_nitro()], at(NOW))),
        Code::ChainOrder
    );
}

#[test]
fn development_is_said_by_the_subject() {
    let mut authority = Authority::new();
    authority.params[ROOT]
        .distinguished_name
        .push(DnType::CommonName, "Treza DEVELOPMENT root");
    assert_eq!(authority.verify_chain().unwrap().trust(), Trust::Development);
}

#[test]
fn the_leaf_is_valid_to_the_second() {
    let authority = Authority::new();
    let document = authority.sign(&authority.draft());
    let roots = [Root::from_der(&parsed(&document).cabundle[ROOT]).unwrap()];
    for second in [LEAF_START, LEAF_END] {
        verify(&document, &roots, at(second)).unwrap();
    }
    assert_eq!(
        code(verify(&document, &roots, at(LEAF_START - 1))),
        Code::CertificateNotYetValid
    );
    assert_eq!(
        code(verify(&document, &roots, at(LEAF_END + 1))),
        Code::CertificateExpired
    );
}

#[test]
fn every_certificate_is_judged_at_the_verifiers_time() {
    let second = |offset: i64| OffsetDateTime::from_unix_timestamp(NOW as i64 + offset).unwrap();
    for place in ROOT..=LEAF {
        let mut expired = Authority::new();
        expired.params[place].not_after = second(-1);
        let refusal = expired.verify_chain().unwrap_err();
        assert_eq!(refusal.kind(), Code::CertificateExpired, "{place}");
        assert!(refusal.field() == "certificate" || refusal.field() == format!("cabundle[{place}]"));
        let mut early = Authority::new();
        early.params[place].not_before = second(1);
        assert_eq!(
            code(early.verify_chain()),
            Code::CertificateNotYetValid,
            "{place}"
        );
    }
}

#[test]
fn a_clock_before_the_epoch_verifies_nothing() {
    let authority = Authority::new();
    let document = authority.sign(&authority.draft());
    let roots = [Root::from_der(&parsed(&document).cabundle[ROOT]).unwrap()];
    let before = std::time::SystemTime::UNIX_EPOCH - std::time::Duration::from_secs(1);
    assert_eq!(
        code(verify(&document, &roots, before)),
        Code::CertificateNotYetValid
    );
}

#[test]
fn the_bundle_has_its_order_and_its_length() {
    let authority = Authority::new();
    let certificates = authority.issue();
    let bundle = |places: &[usize]| {
        let certificates: Vec<_> = places.iter().map(|place| certificates[*place].clone()).collect();
        code(authority.verify(&Draft::new(&certificates)))
    };
    assert_eq!(bundle(&[ROOT, ZONAL, REGIONAL, INSTANCE, LEAF]), Code::ChainOrder);
    assert_eq!(bundle(&[ROOT, REGIONAL, INSTANCE, ZONAL, LEAF]), Code::ChainOrder);
    assert_eq!(bundle(&[ROOT, REGIONAL, ZONAL, ZONAL, LEAF]), Code::ChainOrder);
    assert_eq!(
        bundle(&[ROOT, REGIONAL, ZONAL, INSTANCE, INSTANCE]),
        Code::ChainOrder
    );
    assert_eq!(bundle(&[ROOT, REGIONAL, ZONAL, LEAF]), Code::ChainLength);
    assert_eq!(
        bundle(&[ROOT, REGIONAL, ZONAL, INSTANCE, INSTANCE, LEAF]),
        Code::ChainLength
    );
    assert_eq!(
        bundle(&[ROOT, ROOT, REGIONAL, ZONAL, INSTANCE, LEAF]),
        Code::ChainLength
    );
    assert_eq!(bundle(&[INSTANCE, ZONAL, REGIONAL, ROOT, LEAF]), Code::ChainOrder);
}

#[test]
fn each_certificate_is_signed_by_the_one_before_it() {
    let authority = Authority::new();
    for place in REGIONAL..=LEAF {
        // Another key under the issuer's name.
        let mut forger = Authority {
            params: authority.params.clone(),
            keys: Authority::new().keys,
        };
        forger.keys[place] = KeyPair::try_from(authority.keys[place].serialize_der()).unwrap();
        let mut certificates = authority.issue();
        certificates[place] = forger.issue_one(place, place - 1);
        assert_eq!(
            code(authority.verify(&Draft::new(&certificates))),
            Code::CertificateSignature,
            "{place}"
        );
    }
}

#[test]
fn path_lengths_are_those_of_the_places() {
    let constrained = |length| IsCa::Ca(BasicConstraints::Constrained(length));
    for (place, wrong) in [
        (REGIONAL, constrained(3)),
        (REGIONAL, constrained(1)),
        (REGIONAL, IsCa::Ca(BasicConstraints::Unconstrained)),
        (ZONAL, constrained(2)),
        (ZONAL, constrained(0)),
        (INSTANCE, constrained(1)),
        (INSTANCE, IsCa::ExplicitNoCa),
        (INSTANCE, IsCa::NoCa),
        (LEAF, constrained(0)),
    ] {
        let mut authority = Authority::new();
        authority.params[place].is_ca = wrong;
        assert_eq!(
            code(authority.verify_chain()),
            Code::CertificateConstraints,
            "{place}"
        );
    }
}

#[test]
fn key_usage_is_that_of_the_place() {
    use KeyUsagePurpose::{CrlSign, DigitalSignature, KeyCertSign, KeyEncipherment};
    for place in [REGIONAL, ZONAL, INSTANCE] {
        for wrong in [vec![], vec![DigitalSignature, CrlSign]] {
            let mut authority = Authority::new();
            authority.params[place].key_usages = wrong;
            assert_eq!(
                code(authority.verify_chain()),
                Code::CertificateKeyUsage,
                "{place}"
            );
        }
    }
    for wrong in [vec![], vec![KeyEncipherment], vec![DigitalSignature, KeyCertSign]] {
        let mut authority = Authority::new();
        authority.params[LEAF].key_usages = wrong;
        assert_eq!(code(authority.verify_chain()), Code::CertificateKeyUsage);
    }
}

#[test]
fn only_p384_is_accepted() {
    for place in REGIONAL..=INSTANCE {
        let mut authority = Authority::new();
        authority.keys[place] = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        assert_eq!(
            code(authority.verify_chain()),
            Code::CertificateAlgorithm,
            "{place}"
        );
    }
    let mut authority = Authority::new();
    let right = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let own = std::mem::replace(
        &mut authority.keys[LEAF],
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
    );
    let certificates = authority.issue();
    authority.keys[LEAF] = own;
    assert_eq!(
        code(authority.verify(&Draft::new(&certificates))),
        Code::CertificateAlgorithm
    );
    authority.keys[LEAF] = right;
    authority.verify_chain().unwrap();
}

#[test]
fn certificates_are_exactly_one_der_certificate_each() {
    let authority = Authority::new();
    let mut certificates = authority.issue();
    let draft = Draft::new(&certificates);
    for wrong in [
        b"\x30".to_vec(),
        vec![0; 100],
        [certificates[LEAF].clone(), vec![0]].concat(),
    ] {
        let refusal = authority
            .verify(&draft.with("certificate", bytes(&wrong)))
            .unwrap_err();
        assert_eq!(
            (refusal.kind(), refusal.field()),
            (Code::CertificateEncoding, "certificate")
        );
    }
    certificates[ZONAL].push(0);
    let refusal = authority
        .verify(&draft.with("cabundle", bundle_of(&certificates[..LEAF])))
        .unwrap_err();
    assert_eq!(
        (refusal.kind(), refusal.field()),
        (Code::CertificateEncoding, "cabundle[2]")
    );
}

#[test]
fn a_malformed_extension_is_refused_wherever_it_stands() {
    let basic_constraints = [2, 5, 29, 19];
    for place in REGIONAL..=LEAF {
        let mut authority = Authority::new();
        authority.params[place].is_ca = IsCa::NoCa;
        authority.params[place].custom_extensions = vec![CustomExtension::from_oid_content(
            &basic_constraints,
            vec![0x30, 0x7f],
        )];
        assert_eq!(
            code(authority.verify_chain()),
            Code::CertificateEncoding,
            "{place}"
        );
    }
}

#[test]
fn unknown_critical_extensions_are_refused_and_others_are_not() {
    for place in REGIONAL..=LEAF {
        let mut authority = Authority::new();
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
        authority.params[place].custom_extensions = vec![extension.clone()];
        authority.verify_chain().unwrap();
        extension.set_criticality(true);
        authority.params[place].custom_extensions = vec![extension];
        assert_eq!(
            code(authority.verify_chain()),
            Code::CertificateRejected,
            "{place}"
        );
    }
}

#[test]
fn roots_are_p384_authorities_that_sign_certificates() {
    let unsuitable = |authority: &Authority| match Root::from_der(&authority.issue_one(ROOT, ROOT)) {
        Err(RootError::Unsuitable(refusal)) => refusal.kind(),
        other => panic!("{other:?}"),
    };
    let mut authority = Authority::new();
    authority.params[ROOT].is_ca = IsCa::ExplicitNoCa;
    assert_eq!(unsuitable(&authority), Code::CertificateConstraints);
    let mut authority = Authority::new();
    authority.params[ROOT].key_usages = vec![KeyUsagePurpose::DigitalSignature];
    assert_eq!(unsuitable(&authority), Code::CertificateKeyUsage);
    let mut authority = Authority::new();
    authority.keys[ROOT] = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    assert_eq!(unsuitable(&authority), Code::CertificateAlgorithm);
}

#[test]
fn a_root_in_pem_is_the_root_in_der() {
    let authority = Authority::new();
    let certificate = authority.params[ROOT].self_signed(&authority.keys[ROOT]).unwrap();
    assert_eq!(
        Root::from_pem(&certificate.pem()).unwrap(),
        Root::from_der(certificate.der()).unwrap()
    );
    assert!(matches!(
        Root::from_pem(&certificate.pem().repeat(2)),
        Err(RootError::Pem(_))
    ));
}
