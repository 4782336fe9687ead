//! Faults of the envelope, COSE_Sign1.

use super::Case;
use crate::authority::{Authority, Draft, ES384, bytes, document};
use attestation::Code::{
    self, CoseTag, FieldLength, Malformed, NonMinimal, ProtectedHeader, Signature, SignatureLength, TooLarge,
    TrailingBytes, UnprotectedHeader,
};
use attestation::MAX_DOCUMENT_LEN;

pub(super) fn cases() -> Vec<Case> {
    [sizes(), heads(), headers(), signatures()]
        .into_iter()
        .flatten()
        .collect()
}

fn sizes() -> Vec<Case> {
    let authority = Authority::new();
    let draft = authority.draft();
    let of = |length: usize| {
        let empty = authority.sign(&draft.with("nonce", bytes(&[0; 5000]))).len() - 5000;
        draft.with("nonce", bytes(&vec![0; length - empty]))
    };
    let rule = "at most 16 KiB, before anything is read";
    vec![
        Case::signed(&authority, &of(MAX_DOCUMENT_LEN), "envelope-16384-bytes", rule).refused(FieldLength),
        Case::signed(
            &authority,
            &of(MAX_DOCUMENT_LEN + 1),
            "envelope-16385-bytes",
            rule,
        )
        .refused(TooLarge),
    ]
}

fn heads() -> Vec<Case> {
    let authority = Authority::new();
    let draft = authority.draft();
    let whole = authority.sign(&draft);
    let items = &whole[1..];
    let array = "an array of 4 under tag 18 or none, and nothing behind it";
    let minimal = "heads as short as can be";
    let cases = [
        ("empty", array, vec![], Malformed),
        ("cut", array, whole[..whole.len() - 1].to_vec(), Malformed),
        ("trailing-byte", array, [&whole[..], &[0]].concat(), TrailingBytes),
        ("map", array, [&[0xa2], items].concat(), Malformed),
        ("array-of-3", array, [&[0x83], items].concat(), Malformed),
        ("array-of-5", array, [&[0x85], items, &[0xf6]].concat(), Malformed),
        (
            "indefinite-array",
            array,
            [&[0x9f], items, &[0xff]].concat(),
            Malformed,
        ),
        (
            "long-array-head",
            minimal,
            [&[0x98, 4], items].concat(),
            NonMinimal,
        ),
        ("tag-17", array, [&[0xd1], &whole[..]].concat(), CoseTag),
        ("tag-98", array, [&[0xd8, 98], &whole[..]].concat(), CoseTag),
        (
            "tag-twice",
            array,
            [&[0xd2, 0xd2], &whole[..]].concat(),
            Malformed,
        ),
        (
            "long-tag-head",
            minimal,
            [&[0xd8, 18], &whole[..]].concat(),
            NonMinimal,
        ),
    ];
    cases
        .map(|(name, rule, document, code)| case(&draft, name, rule, document, code))
        .into()
}

/// Headers other than the right one, each signed as it stands.
fn headers() -> Vec<Case> {
    let authority = Authority::new();
    let draft = authority.draft();
    let payload = draft.payload();
    let with = |protected: &[u8], item: &[u8], unprotected: &[u8]| {
        let signature = bytes(&authority.signature_under(protected, &payload));
        [&[0x84], item, unprotected, &bytes(&payload), &signature].concat()
    };
    let protected = "protected header exactly {1: -35}";
    let unprotected = "unprotected header empty";
    let string = |content: &[u8]| with(content, &bytes(content), b"\xa0");
    let right = |unprotected: &[u8]| with(ES384, &bytes(ES384), unprotected);
    let cases = [
        ("protected-none", protected, string(b""), ProtectedHeader),
        ("protected-empty-map", protected, string(b"\xa0"), ProtectedHeader),
        (
            "protected-es256",
            protected,
            string(b"\xa1\x01\x26"),
            ProtectedHeader,
        ),
        (
            "protected-rs384",
            protected,
            string(b"\xa1\x01\x39\x01\x01"),
            ProtectedHeader,
        ),
        (
            "protected-long-alg",
            protected,
            string(b"\xa1\x01\x39\x00\x22"),
            ProtectedHeader,
        ),
        (
            "protected-alg-twice",
            protected,
            string(b"\xa2\x01\x38\x22\x01\x38\x22"),
            ProtectedHeader,
        ),
        (
            "protected-with-kid",
            protected,
            string(b"\xa2\x01\x38\x22\x04\x40"),
            ProtectedHeader,
        ),
        (
            "protected-not-wrapped",
            protected,
            with(ES384, ES384, b"\xa0"),
            Malformed,
        ),
        (
            "unprotected-alg",
            unprotected,
            right(b"\xa1\x01\x38\x22"),
            UnprotectedHeader,
        ),
        (
            "unprotected-kid",
            unprotected,
            right(b"\xa1\x04\x40"),
            UnprotectedHeader,
        ),
        (
            "unprotected-indefinite",
            unprotected,
            right(b"\xbf\xff"),
            Malformed,
        ),
        ("unprotected-null", unprotected, right(b"\xf6"), Malformed),
    ];
    cases
        .map(|(name, rule, document, code)| case(&draft, name, rule, document, code))
        .into()
}

fn signatures() -> Vec<Case> {
    let authority = Authority::new();
    let draft = authority.draft();
    let payload = draft.payload();
    let right = authority.signature(&payload);
    let other_payload = authority.signature(&draft.with("nonce", bytes(b"other")).payload());
    let long = [&right[..], &[0]].concat();
    let length = "signature r ‖ s of 96 bytes";
    let signer = "the leaf's key signed this payload";
    let cases = [
        ("signature-empty", length, vec![], SignatureLength),
        (
            "signature-95-bytes",
            length,
            right[..95].to_vec(),
            SignatureLength,
        ),
        ("signature-97-bytes", length, long, SignatureLength),
        ("signature-of-other-payload", signer, other_payload, Signature),
        (
            "signature-of-other-key",
            signer,
            Authority::new().signature(&payload),
            Signature,
        ),
        ("signature-zero", signer, vec![0; 96], Signature),
        ("signature-all-ones", signer, vec![0xff; 96], Signature),
        (
            "signature-halves-swapped",
            signer,
            [&right[48..], &right[..48]].concat(),
            Signature,
        ),
    ];
    cases
        .map(|(name, rule, signature, code)| case(&draft, name, rule, document(&payload, &signature), code))
        .into()
}

fn case(draft: &Draft, name: &str, rule: &str, document: Vec<u8>, code: Code) -> Case {
    Case::new(&format!("envelope-{name}"), rule, document, &draft.root).refused(code)
}
