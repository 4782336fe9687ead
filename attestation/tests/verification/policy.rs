//! The policy: each expectation met, missed, and absent.

use crate::authority::{Authority, INSTANCE_ID, LEAF_END, NOW, ROOT, at, bytes, null, pcr_values, pcrs};
use crate::support::{code, parsed};
use attestation::{CLOCK_SKEW, Code, Genuine, Pcr, Policy, Root, pcr4_of, verify};
use std::time::Duration;

const PCR0: Pcr = [0x10; 48];

fn genuine() -> Genuine {
    Authority::new().verify_chain().unwrap()
}

/// A document of an enclave in debug mode: the image's PCRs are zero, PCR4 is not.
fn debug() -> Genuine {
    let authority = Authority::new();
    let mut values = pcr_values();
    values[..3].iter_mut().for_each(|(_, value)| value.fill(0));
    authority
        .verify(&authority.draft().with("pcrs", pcrs(&values)))
        .unwrap()
}

#[test]
fn a_policy_without_a_pcr_is_refused_whatever_else_it_expects() {
    for policy in [
        Policy::new(),
        Policy::new()
            .nonce(*b"nonce")
            .user_data(*b"user data")
            .max_age(Duration::from_secs(60))
            .allow_debug(true),
    ] {
        assert_eq!(code(genuine().check(&policy, at(NOW))), Code::NoExpectation);
        assert_eq!(code(debug().check(&policy, at(NOW))), Code::NoExpectation);
    }
}

#[test]
fn all_that_is_expected_is_compared_and_listed() {
    let policy = Policy::new()
        .pcr(4, pcr4_of(INSTANCE_ID))
        .pcr(0, PCR0)
        .nonce(*b"nonce")
        .user_data(*b"user data")
        .max_age(Duration::from_secs(60));
    let attested = genuine().check(&policy, at(NOW)).unwrap();
    assert_eq!(attested.compared(), ["0", "4", "nonce", "user_data", "timestamp"]);
    assert!(attested.not_compared().is_empty());
    assert!(!attested.is_debug());
}

#[test]
fn any_of_several_values_of_a_pcr_will_do_and_every_pcr_must() {
    let either = Policy::new().pcr(0, [9; 48]).pcr(0, PCR0);
    genuine().check(&either, at(NOW)).unwrap();
    let refusal = genuine().check(&either.pcr(1, [9; 48]), at(NOW)).unwrap_err();
    assert_eq!((refusal.kind(), refusal.field()), (Code::Pcr, "pcrs[1]"));
    assert_eq!(refusal.found(), hex::encode([0x11; 48]));
    assert_eq!(refusal.expected(), hex::encode([9; 48]));
}

#[test]
fn an_absent_pcr_meets_no_expectation_not_even_zero() {
    for index in [16, 31, 32, 255] {
        let refusal = genuine()
            .check(&Policy::new().pcr(index, [0; 48]), at(NOW))
            .unwrap_err();
        assert_eq!((refusal.kind(), refusal.found()), (Code::Pcr, "absent"));
    }
    genuine().check(&Policy::new().pcr(8, [0; 48]), at(NOW)).unwrap();
}

#[test]
fn debug_is_refused_unless_allowed_and_then_proves_nothing_about_the_image() {
    let policy = Policy::new()
        .pcr(0, PCR0)
        .pcr(8, [8; 48])
        .pcr(4, pcr4_of(INSTANCE_ID));
    assert_eq!(code(debug().check(&policy, at(NOW))), Code::Debug);
    let attested = debug().check(&policy.clone().allow_debug(true), at(NOW)).unwrap();
    assert_eq!(attested.compared(), ["4"]);
    assert_eq!(attested.not_compared(), ["0", "8"]);
    assert!(attested.is_debug());
    let other_instance = policy.allow_debug(true).pcr(3, [3; 48]);
    assert_eq!(code(debug().check(&other_instance, at(NOW))), Code::Pcr);
}

#[test]
fn expecting_zero_does_not_allow_debug() {
    let policy = Policy::new().pcr(0, [0; 48]).pcr(1, [0; 48]).pcr(2, [0; 48]);
    assert_eq!(code(debug().check(&policy, at(NOW))), Code::Debug);
    assert_eq!(
        code(genuine().check(&policy.allow_debug(true), at(NOW))),
        Code::Pcr
    );
}

#[test]
fn one_zero_image_pcr_is_debug() {
    let authority = Authority::new();
    for index in 0..3 {
        let mut values = pcr_values();
        values[index].1.fill(0);
        let genuine = authority
            .verify(&authority.draft().with("pcrs", pcrs(&values)))
            .unwrap();
        assert_eq!(
            code(genuine.check(&Policy::new().pcr(4, pcr4_of(INSTANCE_ID)), at(NOW))),
            Code::Debug
        );
    }
}

#[test]
fn bindings_are_compared_whole_and_absence_is_a_difference() {
    let authority = Authority::new();
    let expect = |key: &str, value: &[u8]| match key {
        "nonce" => Policy::new().pcr(0, PCR0).nonce(value),
        "user_data" => Policy::new().pcr(0, PCR0).user_data(value),
        _ => Policy::new().pcr(0, PCR0).public_key(value),
    };
    for (key, refused) in [
        ("nonce", Code::Nonce),
        ("user_data", Code::UserData),
        ("public_key", Code::PublicKey),
    ] {
        let check = |found: Vec<u8>, expected: &[u8]| {
            let genuine = authority.verify(&authority.draft().with(key, found)).unwrap();
            genuine.check(&expect(key, expected), at(NOW))
        };
        assert_eq!(check(bytes(b"value"), b"value").unwrap().compared(), ["0", key]);
        check(bytes(b""), b"").unwrap();
        for (found, expected) in [
            (bytes(b"value"), &b"valuE"[..]),
            (bytes(b"value"), b"valu"),
            (bytes(b"valu"), b"value"),
            (bytes(b"value"), b""),
            (null(), b"value"),
            (null(), b""),
        ] {
            assert_eq!(code(check(found, expected)), refused);
        }
    }
}

#[test]
fn freshness_has_two_directions_and_is_not_the_window_of_the_chain() {
    let age = Duration::from_secs(120);
    let policy = Policy::new().pcr(0, PCR0).max_age(age);
    let checked_at = |time| genuine().check(&policy, time);
    checked_at(at(NOW)).unwrap();
    checked_at(at(NOW) + age).unwrap();
    checked_at(at(NOW) - CLOCK_SKEW).unwrap();
    let millisecond = Duration::from_millis(1);
    assert_eq!(code(checked_at(at(NOW) + age + millisecond)), Code::Stale);
    assert_eq!(
        code(checked_at(at(NOW) - CLOCK_SKEW - millisecond)),
        Code::FromFuture
    );

    let authority = Authority::new();
    let document = authority.sign(&authority.draft());
    let root = Root::from_der(&parsed(&document).cabundle[ROOT]).unwrap();
    let late = verify(&document, &[root], at(LEAF_END)).unwrap();
    assert_eq!(code(late.check(&policy, at(LEAF_END))), Code::Stale);
}

#[test]
fn no_timestamp_and_no_age_overflows() {
    let authority = Authority::new();
    let far = authority.verify(
        &authority
            .draft()
            .with("timestamp", b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()),
    );
    let policy = Policy::new().pcr(0, PCR0).max_age(Duration::MAX);
    assert_eq!(code(far.unwrap().check(&policy, at(NOW))), Code::FromFuture);
    genuine().check(&policy, at(NOW)).unwrap();
}
