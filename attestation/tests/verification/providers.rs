//! The two providers of cryptography against each other: what one accepts the other does, and both refuse the rest
//! for the same reason.

use crate::authority::{Authority, LEAF, NOW, at, document};
use crate::genuine;
use crate::support::{negate_scalar, p384_order};
use attestation::crypto::{AwsLcRs, Provider, RustCrypto, Signature};
use attestation::{Code, Genuine, Refusal, Root, Verifier};
use std::time::SystemTime;

/// What both say, which must be the same.
#[track_caller]
fn both(document: &[u8], root: &Root, now: SystemTime) -> Result<Genuine, Refusal> {
    let with = |provider| {
        Verifier::new([root.clone()])
            .provider(provider)
            .verify(document, now)
    };
    let aws_lc = with(&AwsLcRs);
    assert_eq!(aws_lc, with(&RustCrypto));
    aws_lc
}

#[test]
fn both_accept_either_encoding_and_refuse_the_same_changes() {
    let authority = Authority::new();
    for indefinite in [false, true] {
        let mut draft = authority.draft();
        draft.indefinite = indefinite;
        let mut document = authority.sign(&draft);
        both(&document, &draft.root, at(NOW)).unwrap();
        // Every 61st bit: all fields and certificates are met, in each position within a byte.
        for bit in (0..document.len() * 8).step_by(61) {
            document[bit / 8] ^= 1 << (bit % 8);
            both(&document, &draft.root, at(NOW)).unwrap_err();
            document[bit / 8] ^= 1 << (bit % 8);
        }
        for length in 0..document.len() {
            both(&document[..length], &draft.root, at(NOW)).unwrap_err();
        }
    }
}

#[test]
fn both_accept_genuine_documents_in_their_window_and_only_there() {
    for vector in genuine::good() {
        let root = Root::aws_nitro();
        let [start, end] = vector.window();
        both(&vector.document, &root, at(end)).unwrap();
        for outside in [start - 1, end + 1] {
            both(&vector.document, &root, at(outside)).unwrap_err();
        }
    }
}

#[test]
fn both_accept_high_and_low_s_and_refuse_every_changed_bit_of_a_signature() {
    let authority = Authority::new();
    let draft = authority.draft();
    let payload = draft.payload();
    let low = authority.signature(&payload);
    let mut high = low.clone();
    negate_scalar(&mut high[48..]);
    for mut signature in [low, high] {
        both(&document(&payload, &signature), &draft.root, at(NOW)).unwrap();
        for bit in 0..signature.len() * 8 {
            signature[bit / 8] ^= 1 << (bit % 8);
            let refusal = both(&document(&payload, &signature), &draft.root, at(NOW)).unwrap_err();
            assert_eq!(refusal.kind(), Code::Signature);
            signature[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn both_refuse_numbers_outside_the_group_and_points_outside_the_curve() {
    let authority = Authority::new();
    let signed = b"signed";
    let key = authority.leaf_key();
    let signature = key.sign(&aws_lc_rs::rand::SystemRandom::new(), signed).unwrap();
    let right: [u8; 97] = authority.keys[LEAF].public_key_raw().try_into().unwrap();
    let verifies = |point: &[u8; 97], signature: Signature<'_>| {
        let providers: [&dyn Provider; 2] = [&AwsLcRs, &RustCrypto];
        let [aws_lc, rust_crypto] = providers.map(|provider| provider.verifies(point, signed, signature));
        assert_eq!(aws_lc, rust_crypto);
        aws_lc
    };
    let right_signature = signature.as_ref();
    assert!(verifies(&right, Signature::Fixed(right_signature)));
    for place in [1, 50, 96] {
        let mut off_curve = right;
        off_curve[place] ^= 1;
        assert!(
            !verifies(&off_curve, Signature::Fixed(right_signature)),
            "{place}"
        );
    }
    for head in [0, 2, 5, 6] {
        let mut other_form = right;
        other_form[0] = head;
        assert!(
            !verifies(&other_form, Signature::Fixed(right_signature)),
            "{head}"
        );
    }
    let (r, s) = right_signature.split_at(48);
    let order = p384_order();
    for (r, s) in [
        (r, &[0; 48][..]),
        (&[0; 48], s),
        (r, &order[..]),
        (&order, s),
        (r, &[0xff; 48]),
        (&[0xff; 48], s),
        (r, &s[..47]),
        (r, &[s, &[0][..]].concat()),
        (&[], &[]),
    ] {
        assert!(!verifies(&right, Signature::Fixed(&[r, s].concat())));
    }
    for der in [
        &b""[..],
        b"\x30",
        b"\x30\0",
        b"\x30\x06\x02\x01\0\x02\x01\0",
        right_signature,
    ] {
        assert!(!verifies(&right, Signature::Der(der)));
    }
}

#[test]
fn both_hash_alike() {
    for length in [0, 1, 111, 112, 127, 128, 129, 1000] {
        let content: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
        let (left, right) = content.split_at(length / 3);
        assert_eq!(AwsLcRs.sha256(&content), RustCrypto.sha256(&content));
        assert_eq!(
            AwsLcRs.sha384(&[&content]),
            RustCrypto.sha384(&[left, &[], right])
        );
    }
    assert_eq!(RustCrypto.sha384(&[b"abc"])[..4], [0xcb, 0x00, 0x75, 0x3f]); // FIPS 180-4's example
}
