//! No changed document is accepted, and nothing makes the parser panic.

use crate::authority::{Authority, NOW, ROOT, at, bytes, document};
use crate::support::{code, parsed};
use attestation::{Document, Genuine, Refusal, Root, verify};
use proptest::prelude::*;
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

/// Changes every single bit of `document`, and cuts it at every length.
pub(crate) fn refuse_every_flip_and_truncation(
    document: &[u8],
    verify: impl Fn(&[u8]) -> Result<Genuine, Refusal>,
) {
    verify(document).unwrap();
    let mut changed = document.to_vec();
    for bit in 0..document.len() * 8 {
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&changed).is_err(), "accepted with bit {bit} changed");
        changed[bit / 8] ^= 1 << (bit % 8);
    }
    for length in 0..document.len() {
        assert!(
            verify(&document[..length]).is_err(),
            "accepted when cut to {length} bytes"
        );
    }
}

#[test]
fn every_changed_bit_and_every_truncation_is_refused() {
    let authority = Authority::new();
    for indefinite in [false, true] {
        let mut draft = authority.draft();
        draft.indefinite = indefinite;
        let document = authority.sign(&draft);
        let root = Root::from_der(&parsed(&document).cabundle[ROOT]).unwrap();
        let roots = [root];
        refuse_every_flip_and_truncation(&document, |document| verify(document, &roots, at(NOW)));
    }
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
