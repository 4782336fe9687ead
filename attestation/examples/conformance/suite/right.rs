//! What a verifier must accept.

use super::Case;
use crate::authority::{
    Authority, INSTANCE_ID, LEAF_END, LEAF_START, bytes, document, null, pcr_values, pcrs,
};
use crate::support::negate_scalar;
use attestation::{Root, pcr4_of};

pub(super) fn cases() -> Vec<Case> {
    [encodings(), fields(), registers(), signatures(), times()]
        .into_iter()
        .flatten()
        .collect()
}

fn encodings() -> Vec<Case> {
    let authority = Authority::new();
    let draft = authority.draft();
    let mut indefinite = draft.clone();
    indefinite.indefinite = true;
    let mut reordered = draft.clone();
    reordered.fields.reverse();
    let tagged = |draft| [&[0xd2], &*authority.sign(draft)].concat();
    vec![
        Case::signed(&authority, &draft, "right-definite", "payload: a definite map"),
        Case::signed(
            &authority,
            &indefinite,
            "right-indefinite",
            "payload: an indefinite map",
        ),
        Case::new(
            "right-tagged-definite",
            "tag 18 or none",
            tagged(&draft),
            &draft.root,
        ),
        Case::new(
            "right-tagged-indefinite",
            "tag 18 or none",
            tagged(&indefinite),
            &draft.root,
        ),
        Case::signed(
            &authority,
            &reordered,
            "right-keys-reordered",
            "payload: its keys have no order",
        ),
    ]
}

fn fields() -> Vec<Case> {
    let authority = Authority::new();
    let draft = authority.draft();
    let mut cases = Vec::new();
    for key in ["public_key", "user_data", "nonce"] {
        let rule = format!("{key}: 0 to 1024 bytes, null or absent");
        for (what, changed) in [
            ("null", draft.with(key, null())),
            ("absent", draft.without(key)),
            ("empty", draft.with(key, bytes(b""))),
            ("1024-bytes", draft.with(key, bytes(&[7; 1024]))),
        ] {
            let name = format!("right-{key}-{what}");
            cases.push(Case::signed(&authority, &changed, &name, &rule));
        }
    }
    cases
}

fn registers() -> Vec<Case> {
    let authority = Authority::new();
    let draft = authority.draft();
    let instance = pcr4_of(INSTANCE_ID);
    let all: Vec<_> = (0..32)
        .map(|index| {
            (
                index,
                if index == 4 {
                    instance.to_vec()
                } else {
                    vec![1; 48]
                },
            )
        })
        .collect();
    let mut zero_pcr4 = pcr_values();
    zero_pcr4[4].1.fill(0);
    let mut reversed = pcr_values();
    reversed.reverse();
    let bounds = "pcrs: 1 to 32 of 48 bytes, index 0 to 31";
    let pcr4 = "PCR4 is the instance's, or zero, or absent";
    [
        ("right-one-pcr", bounds, vec![(31, vec![1; 48])]),
        ("right-32-pcrs", bounds, all),
        (
            "right-pcrs-reordered",
            "pcrs: its indices have no order",
            reversed,
        ),
        ("right-pcr4-zero", pcr4, zero_pcr4),
        ("right-pcr4-absent", pcr4, vec![(0, vec![1; 48])]),
    ]
    .into_iter()
    .map(|(name, rule, values)| Case::signed(&authority, &draft.with("pcrs", pcrs(&values)), name, rule))
    .collect()
}

fn signatures() -> Vec<Case> {
    let authority = Authority::new();
    let draft = authority.draft();
    let payload = draft.payload();
    let signature = authority.signature(&payload);
    let mut other = signature.clone();
    negate_scalar(&mut other[48..]);
    let (low, high) = if signature[48..] < other[48..] {
        (signature, other)
    } else {
        (other, signature)
    };
    [("right-low-s", low), ("right-high-s", high)]
        .map(|(name, signature)| {
            Case::new(name, "s low or high", document(&payload, &signature), &draft.root)
        })
        .into()
}

fn times() -> Vec<Case> {
    let authority = Authority::new();
    let draft = authority.draft();
    let other = Authority::new().draft().root;
    let case = |name, rule| Case::signed(&authority, &draft, name, rule);
    let ends = "valid at the verifier's time, both ends included";
    vec![
        case("right-first-second", ends).at(LEAF_START),
        case("right-last-second", ends).at(LEAF_END),
        case("right-among-roots", "cabundle[0] is one of the verifier's roots").under(vec![
            Root::aws_nitro(),
            other,
            draft.root.clone(),
        ]),
    ]
}
