//! Policies met and missed by genuine documents.

use super::Case;
use crate::authority::{Authority, Draft, INSTANCE_ID, LEAF_END, NOW, ROOT, bytes, null, pcr_values, pcrs};
use attestation::Code::{
    self, Debug, FromFuture, NoExpectation, Nonce, Pcr, PublicKey, Release, Root, Stale, Trust, UserData,
};
use attestation::{CLOCK_SKEW, pcr4_of};
use aws_lc_rs::digest::{SHA256, SHA384, digest};
use rcgen::DnType;
use serde_json::{Value, json};

pub(super) fn cases() -> Vec<Case> {
    [
        expectations(),
        registers(),
        releases(),
        kinds_of_root(),
        named_roots(),
        debug(),
        bindings(),
        ages(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Registers of 48 equal bytes, as a policy says them.
fn register(byte: u8) -> String {
    hex::encode([byte; 48])
}

/// PCR 0 as documents have it: a policy that is met.
fn image() -> Value {
    json!({ "0": register(0x10) })
}

/// Names, policies and codes as cases of one rule about `draft`.
fn judged(
    authority: &Authority,
    draft: &Draft,
    rule: &str,
    judged: Vec<(&str, Value, Option<Code>)>,
) -> Vec<Case> {
    let case = |(name, policy, expected): (&str, Value, Option<Code>)| {
        let case = Case::signed(authority, draft, &format!("policy-{name}"), rule).policy(policy);
        Case { expected, ..case }
    };
    judged.into_iter().map(case).collect()
}

fn expectations() -> Vec<Case> {
    let rule = "the policy expects a PCR";
    let authority = Authority::new();
    let all_else =
        json!({ "nonce": hex::encode("nonce"), "max_age": 60, "allow_debug": true, "trust": "custom" });
    let policies = vec![
        ("empty", json!({}), Some(NoExpectation)),
        ("all-but-a-pcr", all_else, Some(NoExpectation)),
    ];
    judged(&authority, &authority.draft(), rule, policies)
}

fn registers() -> Vec<Case> {
    let rule = "every expected PCR has one of its values";
    let authority = Authority::new();
    let pcr4 = hex::encode(pcr4_of(INSTANCE_ID));
    let upper = register(0xab).to_uppercase();
    let draft = authority.draft();
    let mut values = pcr_values();
    values[3].1.fill(0xab);
    let policies = vec![
        (
            "pcrs",
            json!({ "pcr": { "0": register(0x10), "1": register(0x11), "4": pcr4 } }),
            None,
        ),
        ("pcr-upper-case", json!({ "pcr": { "3": upper } }), None),
        (
            "pcr-any-of-two",
            json!({ "pcr": { "0": [register(9), register(0x10)] } }),
            None,
        ),
        (
            "pcr-none-of-two",
            json!({ "pcr": { "0": [register(9), register(8)] } }),
            Some(Pcr),
        ),
        (
            "pcr-other",
            json!({ "pcr": { "0": register(0x10), "1": register(9) } }),
            Some(Pcr),
        ),
        (
            "pcr-absent",
            json!({ "pcr": { "0": register(0x10), "16": register(0) } }),
            Some(Pcr),
        ),
        ("pcr-zero", json!({ "pcr": { "8": register(0) } }), None),
    ];
    judged(&authority, &draft.with("pcrs", pcrs(&values)), rule, policies)
}

fn releases() -> Vec<Case> {
    let rule = "one release has all of its own PCRs";
    let authority = Authority::new();
    let old = json!({ "0": register(0x99) });
    let half = json!({ "0": register(0x10), "1": register(0x99) });
    let policies = vec![
        (
            "release-second",
            json!({ "release": { "1.4.0": old, "1.5.0": image() } }),
            None,
        ),
        (
            "release-with-pcr",
            json!({ "pcr": { "1": register(0x11) }, "release": { "1.5.0": image() } }),
            None,
        ),
        (
            "release-none",
            json!({ "release": { "1.4.0": old } }),
            Some(Release),
        ),
        (
            "release-half",
            json!({ "release": { "1.4.0": old, "1.5.0": half } }),
            Some(Release),
        ),
        (
            "release-but-not-pcr",
            json!({ "pcr": old, "release": { "1.5.0": image() } }),
            Some(Pcr),
        ),
    ];
    judged(&authority, &authority.draft(), rule, policies)
}

fn kinds_of_root() -> Vec<Case> {
    let rule = "the root is of a kind that the policy accepts";
    let custom = Authority::new();
    let mut development = Authority::new();
    development.params[ROOT]
        .distinguished_name
        .push(DnType::CommonName, "Treza DEVELOPMENT root");
    let trust = |accepted: Value| json!({ "pcr": image(), "trust": accepted });
    let policies = vec![
        ("custom", trust(json!("custom")), None),
        ("custom-for-aws", trust(json!("aws-nitro")), Some(Trust)),
        (
            "custom-for-development",
            trust(json!(["aws-nitro", "development"])),
            Some(Trust),
        ),
    ];
    let mut cases = judged(&custom, &custom.draft(), rule, policies);
    let policies = vec![
        ("development", trust(json!(["aws-nitro", "development"])), None),
        ("development-for-aws", trust(json!(["aws-nitro"])), Some(Trust)),
        ("development-for-custom", trust(json!("custom")), Some(Trust)),
    ];
    cases.extend(judged(&development, &development.draft(), rule, policies));
    cases
}

fn named_roots() -> Vec<Case> {
    let rule = "the root is one of those that the policy names";
    let authority = Authority::new();
    let draft = authority.draft();
    let own = hex::encode(digest(&SHA256, draft.root.der()));
    let other = "ab".repeat(32);
    let root = |accepted: Value| json!({ "pcr": image(), "root": accepted });
    let policies = vec![
        ("root", root(json!(own)), None),
        ("root-of-two", root(json!([other, own])), None),
        ("root-upper-case", root(json!(own.to_uppercase())), None),
        ("root-other", root(json!([other])), Some(Root)),
    ];
    judged(&authority, &draft, rule, policies)
}

fn debug() -> Vec<Case> {
    let rule = "not in debug mode (PCR 0, 1 or 2 zero) unless the policy allows it";
    let authority = Authority::new();
    let mut values = pcr_values();
    values[..3].iter_mut().for_each(|(_, value)| value.fill(0));
    let draft = authority.draft().with("pcrs", pcrs(&values));
    let pcr4 = hex::encode(pcr4_of(INSTANCE_ID));
    let zeros = json!({ "0": register(0), "1": register(0), "2": register(0) });
    let other = json!({ "0": register(0x10), "3": register(3) });
    let policies = vec![
        ("debug", json!({ "pcr": image() }), Some(Debug)),
        (
            "debug-not-allowed",
            json!({ "pcr": image(), "allow_debug": false }),
            Some(Debug),
        ),
        ("debug-zeros-expected", json!({ "pcr": zeros }), Some(Debug)),
        (
            "debug-other-instance-pcr",
            json!({ "pcr": other, "allow_debug": true }),
            Some(Pcr),
        ),
        (
            "debug-allowed",
            json!({ "pcr": { "0": register(0x10), "4": pcr4 }, "allow_debug": true }),
            None,
        ),
    ];
    let mut cases = judged(&authority, &draft, rule, policies);
    for index in 0..3 {
        let mut values = pcr_values();
        values[index].1.fill(0);
        let draft = authority.draft().with("pcrs", pcrs(&values));
        let name = format!("debug-one-zero-{index}");
        let policies = vec![(name.as_str(), json!({ "pcr": { "4": pcr4 } }), Some(Debug))];
        cases.extend(judged(&authority, &draft, rule, policies));
    }
    cases
}

fn bindings() -> Vec<Case> {
    let rule = "nonce, user data, public key: the same bytes, or of the expected hash";
    let authority = Authority::new();
    let mut cases = Vec::new();
    for (key, code) in [
        ("nonce", Nonce),
        ("user_data", UserData),
        ("public_key", PublicKey),
    ] {
        for (what, found, expected, outcome) in [
            ("met", bytes(b"value"), "value", None),
            ("empty", bytes(b""), "", None),
            ("other", bytes(b"value"), "valuE", Some(code)),
            ("longer", bytes(b"value"), "valu", Some(code)),
            ("shorter", bytes(b"valu"), "value", Some(code)),
            ("empty-for-value", bytes(b""), "value", Some(code)),
            ("null", null(), "value", Some(code)),
            ("null-for-empty", null(), "", Some(code)),
        ] {
            let draft = authority.draft().with(key, found);
            let policy = json!({ "pcr": image(), key: hex::encode(expected) });
            let name = format!("{key}-{what}");
            cases.extend(judged(&authority, &draft, rule, vec![(&name, policy, outcome)]));
        }
        let name = format!("{key}-absent");
        let policy = json!({ "pcr": image(), key: "" });
        let draft = authority.draft().without(key);
        cases.extend(judged(
            &authority,
            &draft,
            rule,
            vec![(&name, policy, Some(code))],
        ));
    }
    cases.extend(hashes(&authority, rule));
    cases
}

fn hashes(authority: &Authority, rule: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for (key, code) in [("user_data", UserData), ("public_key", PublicKey)] {
        for (hash, algorithm) in [("sha256", &SHA256), ("sha384", &SHA384)] {
            let policy = json!({ "pcr": image(), key: { hash: hex::encode(digest(algorithm, b"value")) } });
            for (what, found, outcome) in [
                ("met", bytes(b"value"), None),
                ("other", bytes(b"valuE"), Some(code)),
                (
                    "of-the-hash",
                    bytes(digest(algorithm, b"value").as_ref()),
                    Some(code),
                ),
                ("null", null(), Some(code)),
            ] {
                let name = format!("{key}-{hash}-{what}");
                let draft = authority.draft().with(key, found);
                cases.extend(judged(
                    authority,
                    &draft,
                    rule,
                    vec![(&name, policy.clone(), outcome)],
                ));
            }
        }
    }
    cases
}

fn ages() -> Vec<Case> {
    let rule = "the timestamp is at most the greatest age old, and at most 10 s ahead";
    let authority = Authority::new();
    let draft = authority.draft();
    let skew = CLOCK_SKEW.as_secs();
    [
        ("age-none", NOW, None),
        ("age-greatest", NOW + 120, None),
        ("age-a-second-more", NOW + 121, Some(Stale)),
        ("age-at-leaf-end", LEAF_END, Some(Stale)),
        ("age-ahead", NOW - skew, None),
        ("age-a-second-more-ahead", NOW - skew - 1, Some(FromFuture)),
    ]
    .into_iter()
    .flat_map(|(name, clock, expected)| {
        let policies = vec![(name, json!({ "pcr": image(), "max_age": 120 }), expected)];
        judged(&authority, &draft, rule, policies)
            .into_iter()
            .map(move |case| case.at(clock))
    })
    .collect()
}
