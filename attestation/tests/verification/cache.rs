//! Chains that were verified before.

use crate::authority::{Authority, Draft, LEAF, LEAF_END, LEAF_START, NOW, at};
use crate::mutation::refuse_every_flip_and_truncation;
use crate::support::{INSTANCE, code};
use attestation::crypto::{POINT_LEN, Provider, Signature};
use attestation::{Code, Refusal, Verifier};
use proptest::prelude::*;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use time::OffsetDateTime;

/// A provider of the caller's own: it counts the signatures that it verifies.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

impl Provider for Counting {
    fn sha256(&self, content: &[u8]) -> [u8; 32] {
        attestation::crypto::RustCrypto.sha256(content)
    }

    fn sha384(&self, parts: &[&[u8]]) -> [u8; 48] {
        attestation::crypto::RustCrypto.sha384(parts)
    }

    fn verifies(&self, point: &[u8; POINT_LEN], message: &[u8], signature: Signature<'_>) -> bool {
        use aws_lc_rs::signature::{
            ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_FIXED, UnparsedPublicKey as Key,
        };
        self.0.fetch_add(1, Ordering::Relaxed);
        match signature {
            Signature::Fixed(bytes) => Key::new(&ECDSA_P384_SHA384_FIXED, point)
                .verify(message, bytes)
                .is_ok(),
            Signature::Der(bytes) => Key::new(&ECDSA_P384_SHA384_ASN1, point)
                .verify(message, bytes)
                .is_ok(),
        }
    }
}

/// An authority with one chain issued, and a verifier with a cache that counts the signatures it verifies.
struct Case {
    authority: Authority,
    certificates: Vec<Vec<u8>>,
    verifier: Verifier,
    count: &'static Counting,
}

impl Case {
    fn new(capacity: usize) -> Self {
        let authority = Authority::new();
        let certificates = authority.issue();
        let count: &Counting = Box::leak(Box::default());
        let root = Draft::new(&certificates).root;
        Self {
            authority,
            certificates,
            verifier: Verifier::new([root]).provider(count).caching(capacity),
            count,
        }
    }

    /// A document of the chain that was issued.
    fn document(&self) -> Vec<u8> {
        self.authority.sign(&Draft::new(&self.certificates))
    }

    /// A document with another leaf certificate of the same key: another chain of the same root.
    fn document_of_another_leaf(&self) -> Vec<u8> {
        let mut certificates = self.certificates.clone();
        certificates[LEAF] = self.authority.issue_one(LEAF, INSTANCE);
        self.authority.sign(&Draft::new(&certificates))
    }

    /// The signatures that verifying `document` at `second` takes.
    fn cost(&self, document: &[u8], second: u64) -> Result<usize, Refusal> {
        let before = self.count.0.load(Ordering::Relaxed);
        self.verifier.verify(document, at(second))?;
        Ok(self.count.0.load(Ordering::Relaxed) - before)
    }
}

#[test]
fn a_chain_is_verified_once_and_a_document_of_it_costs_one_signature() {
    let case = Case::new(8);
    assert_eq!(case.cost(&case.document(), NOW), Ok(5));
    for _ in 0..3 {
        assert_eq!(case.cost(&case.document(), NOW), Ok(1));
    }
    assert_eq!(case.cost(&case.document_of_another_leaf(), NOW), Ok(5));
    let plain = Case::new(0);
    for _ in 0..2 {
        assert_eq!(plain.cost(&plain.document(), NOW), Ok(5));
    }
}

#[test]
fn a_cached_chain_never_outlives_its_window_in_either_direction() {
    let case = Case::new(8);
    let document = case.document();
    assert_eq!(case.cost(&document, NOW), Ok(5));
    for second in [LEAF_START, LEAF_END, NOW] {
        assert_eq!(case.cost(&document, second), Ok(1));
    }
    assert_eq!(
        code(case.cost(&document, LEAF_START - 1)),
        Code::CertificateNotYetValid
    );
    assert_eq!(code(case.cost(&document, LEAF_END + 1)), Code::CertificateExpired);
    assert_eq!(
        code(case.cost(&document, u64::MAX >> 2)),
        Code::CertificateExpired
    );
    assert_eq!(
        case.cost(&document, NOW),
        Ok(1),
        "a clock set back finds it still"
    );
}

#[test]
fn the_window_is_that_of_every_certificate() {
    for place in 0..=LEAF {
        let mut case = Case::new(8);
        let second = |offset| OffsetDateTime::from_unix_timestamp(NOW as i64 + offset).unwrap();
        case.authority.params[place].not_before = second(-1);
        case.authority.params[place].not_after = second(1);
        case.certificates = case.authority.issue();
        case.verifier = Verifier::new([Draft::new(&case.certificates).root])
            .provider(case.count)
            .caching(8);
        let document = case.document();
        assert_eq!(case.cost(&document, NOW), Ok(5));
        for inside in [NOW - 1, NOW + 1] {
            assert_eq!(case.cost(&document, inside), Ok(1), "{place}");
        }
        assert_eq!(
            code(case.cost(&document, NOW - 2)),
            Code::CertificateNotYetValid,
            "{place}"
        );
        assert_eq!(
            code(case.cost(&document, NOW + 2)),
            Code::CertificateExpired,
            "{place}"
        );
    }
}

#[test]
fn a_refusal_is_no_acceptance_the_second_time() {
    let case = Case::new(8);
    let mut forged = case.certificates.clone();
    let last = forged[INSTANCE].len() - 1;
    forged[INSTANCE][last] ^= 1;
    let forged = case.authority.sign(&Draft::new(&forged));
    for _ in 0..2 {
        assert_eq!(code(case.cost(&forged, NOW)), Code::CertificateSignature);
    }
    // Nor does a chain that is held vouch for the document.
    let mut document = case.document();
    assert_eq!(case.cost(&document, NOW), Ok(5));
    *document.last_mut().unwrap() ^= 1;
    assert_eq!(code(case.cost(&document, NOW)), Code::Signature);
    assert_eq!(code(case.cost(&forged, NOW)), Code::CertificateSignature);
}

#[test]
fn every_changed_bit_and_every_truncation_is_refused_with_the_chain_held() {
    let case = Case::new(8);
    let document = case.document();
    refuse_every_flip_and_truncation(&document, |document| case.verifier.verify(document, at(NOW)));
    assert_eq!(case.cost(&document, NOW), Ok(1));
}

#[test]
fn the_cache_keeps_to_its_bound_and_lets_the_least_recently_used_go() {
    let case = Case::new(3);
    let chains: Vec<_> = (0..4).map(|_| case.document_of_another_leaf()).collect();
    for chain in &chains[..3] {
        assert_eq!(case.cost(chain, NOW), Ok(5));
    }
    assert_eq!(case.cost(&chains[0], NOW), Ok(1));
    assert_eq!(case.cost(&chains[3], NOW), Ok(5), "takes the place of the second");
    for held in [0, 2, 3] {
        assert_eq!(case.cost(&chains[held], NOW), Ok(1), "{held}");
    }
    assert_eq!(case.cost(&chains[1], NOW), Ok(5));
}

#[test]
fn threads_share_a_cache_and_each_document_gets_its_own_answer() {
    let case = Case::new(2);
    let right: Vec<_> = (0..3).map(|_| case.document_of_another_leaf()).collect();
    let wrong: Vec<_> = right
        .iter()
        .map(|document| {
            let mut changed = document.clone();
            *changed.last_mut().unwrap() ^= 1;
            changed
        })
        .collect();
    thread::scope(|scope| {
        for thread in 0..4 {
            let (case, right, wrong) = (&case, &right, &wrong);
            scope.spawn(move || {
                for turn in 0..60 {
                    let place = (thread + turn) % right.len();
                    case.cost(&right[place], NOW).unwrap();
                    assert_eq!(code(case.cost(&wrong[place], NOW)), Code::Signature);
                    let late = case.cost(&right[place], LEAF_END + 1);
                    assert_eq!(code(late), Code::CertificateExpired);
                }
            });
        }
    });
}

static CASE: LazyLock<(Case, Vec<Vec<u8>>)> = LazyLock::new(|| {
    let case = Case::new(2);
    let documents = (0..3).map(|_| case.document_of_another_leaf()).collect();
    (case, documents)
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever came before, a verifier with a cache says what one without says.
    #[test]
    fn a_cache_changes_no_answer(
        which in 0_usize..3,
        second in prop_oneof![LEAF_START - 2..LEAF_START + 2, LEAF_END - 2..LEAF_END + 2],
        change in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let (case, documents) = &*CASE;
        let mut document = documents[which].clone();
        if let Some(position) = change {
            *position.get_mut(&mut document) ^= 0x10;
        }
        let roots = [Draft::new(&case.certificates).root];
        prop_assert_eq!(
            case.verifier.verify(&document, at(second)),
            attestation::verify(&document, &roots, at(second))
        );
    }
}
