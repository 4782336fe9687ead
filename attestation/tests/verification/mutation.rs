//! No changed document is accepted, and nothing makes the parser panic.

use crate::authority::{Authority, NOW, ROOT, at, bytes, document};
use crate::support::{code, parsed};
use attestation::crypto::Provider;
use attestation::{Document, Genuine, Refusal, Root, Verifier, verify};
use proptest::prelude::*;
use std::ops::Range;
use std::sync::LazyLock;

/// A right document, its authority's root, and its payload.
struct Sample {
    document: Vec<u8>,
    root: Root,
    payload: Vec<u8>,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let authority = Authority::new();
    let mut draft = authority.draft();
    draft.indefinite = true;
    let document = authority.sign(&draft);
    let root = Root::from_der(&parsed(&document).cabundle[ROOT]).unwrap();
    Sample {
        document,
        root,
        payload: draft.payload(),
    }
});

/// Changes every single bit of `document`, and cuts it at every length; on two threads, since that is tens of thousands
/// of verifications.
pub(crate) fn refuse_every_flip_and_truncation(
    document: &[u8],
    verify: impl Fn(&[u8]) -> Result<Genuine, Refusal> + Sync,
) {
    verify(document).unwrap();
    let flip = |bits: Range<usize>| {
        let mut changed = document.to_vec();
        for bit in bits {
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&changed).is_err(), "accepted with bit {bit} changed");
            changed[bit / 8] ^= 1 << (bit % 8);
        }
    };
    let bits = document.len() * 8;
    std::thread::scope(|scope| {
        // Most that reach a signature stand in the first half.
        scope.spawn(|| flip(0..bits / 3));
        flip(bits / 3..bits);
    });
    for length in 0..document.len() {
        assert!(
            verify(&document[..length]).is_err(),
            "accepted when cut to {length} bytes"
        );
    }
}

/// With either provider of cryptography, a document of either encoding.
fn refuse_every_change(provider: &'static dyn Provider) {
    let authority = Authority::new();
    for indefinite in [false, true] {
        let mut draft = authority.draft();
        draft.indefinite = indefinite;
        let verifier = Verifier::new([draft.root.clone()]).provider(provider);
        refuse_every_flip_and_truncation(&authority.sign(&draft), |document| {
            verifier.verify(document, at(NOW))
        });
    }
}

#[cfg(feature = "aws-lc-rs")]
#[test]
fn every_changed_bit_and_every_truncation_is_refused() {
    refuse_every_change(&attestation::crypto::AwsLcRs);
}

#[cfg(feature = "rustcrypto")]
#[test]
fn every_changed_bit_and_every_truncation_is_refused_in_pure_rust() {
    refuse_every_change(&attestation::crypto::RustCrypto);
}

proptest! {
    #[test]
    fn any_bytes_are_refused(input in proptest::collection::vec(any::<u8>(), 0..2048)) {
        code(Document::parse_unverified(&input));
        code(Document::parse_unverified(&document(&input, &[0; 96])));
    }

    #[test]
    fn changed_documents_are_refused(
        position in any::<prop::sample::Index>(),
        removed in 0_usize..8,
        inserted in proptest::collection::vec(any::<u8>(), 0..8),
    ) {
        let sample = &*SAMPLE;
        let start = position.index(sample.document.len());
        let end = (start + removed).min(sample.document.len());
        prop_assume!(sample.document[start..end] != inserted);
        let mut changed = sample.document.clone();
        changed.splice(start..end, inserted);
        prop_assume!(changed != sample.document);
        prop_assert!(verify(&changed, std::slice::from_ref(&sample.root), at(NOW)).is_err());
    }

    #[test]
    fn changed_payloads_are_never_accepted_nor_do_they_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let sample = &*SAMPLE;
        let mut payload = sample.payload.clone();
        for (position, byte) in &changes {
            *position.get_mut(&mut payload) = *byte;
        }
        prop_assume!(payload != sample.payload);
        let document = document(&payload, &[0; 96]);
        prop_assert!(verify(&document, std::slice::from_ref(&sample.root), at(NOW)).is_err());
    }

    #[test]
    fn what_is_accepted_is_read_back(nonce in proptest::collection::vec(any::<u8>(), 0..=1024)) {
        let authority = &*AUTHORITY;
        let signed = authority.sign(&authority.draft().with("nonce", bytes(&nonce)));
        prop_assert_eq!(parsed(&signed).nonce, Some(nonce));
    }
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);
