//! Documents changed at random from a seed. Most are signed again after the change, so that a verifier has more to
//! refuse them by than a signature, and some stay right.

use crate::authority::{
    Authority, Draft, INSTANCE_ID, LEAF, LEAF_END, LEAF_START, NOW, ROOT, bundle_of, bytes, document, null,
    pcr_values, pcrs, text, uint,
};
use crate::conformance::suite::Case;
use crate::dice::Dice;
use aws_lc_rs::digest::SHA256;
use rcgen::{BasicConstraints, CustomExtension, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// One document, with a clock and a policy that fit it or not. What must be said of it is left open.
pub(crate) fn mutant(dice: &mut Dice<'_>, authority: &Authority, name: &str) -> Case {
    let mut draft = authority.draft();
    draft.indefinite = dice.one_in(2);
    let (rule, mut document) = match dice.below(5) {
        0 => {
            let mut document = authority.sign(&draft);
            dice.edit(&mut document);
            ("bytes of the document", document)
        }
        1 => {
            let mut payload = draft.payload();
            dice.edit(&mut payload);
            let signature = authority.signature(&payload);
            (
                "bytes of the payload, signed",
                self::document(&payload, &signature),
            )
        }
        2 => {
            (0..=dice.below(2)).for_each(|_| change_field(dice, authority, &mut draft));
            ("fields of the payload, signed", authority.sign(&draft))
        }
        3 => {
            let place = 1 + dice.below(LEAF);
            let mut certificates = authority.issue();
            certificates[place] = authority.issued_otherwise(dice, &certificates[place], place - 1);
            draft = Draft::new(&certificates);
            ("values in a certificate, signed", authority.sign(&draft))
        }
        _ => {
            let mut authority = Authority::new();
            (0..=dice.below(2)).for_each(|_| change_certificate(dice, &mut authority));
            draft = authority.draft();
            ("certificates, issued and signed", authority.sign(&draft))
        }
    };
    if dice.one_in(4) {
        document.insert(0, dice.pick(&[0xd2, 0xd2, 0xd2, 0xd1]));
    }
    let mut case = Case::new(name, rule, document, &draft.root);
    case.clock = dice.pick(&[
        NOW,
        NOW,
        NOW,
        NOW + 1,
        NOW - 1,
        LEAF_START,
        LEAF_START - 1,
        LEAF_END,
        LEAF_END + 1,
    ]);
    case.policy = dice.one_in(2).then(|| policy(dice, &draft));
    case
}

fn policy(dice: &mut Dice<'_>, draft: &Draft) -> Value {
    let register = |byte: u8| hex::encode([byte; 48]);
    let mut policy = json!({});
    if !dice.one_in(8) {
        policy["pcr"] = json!({ dice.pick(&["0", "1", "8", "31"]): [register(dice.pick(&[0x10, 0x11, 0, 1])), register(0x10)] });
    }
    if dice.one_in(4) {
        policy["release"] =
            json!({ "a": { "0": register(0x99) }, "b": { "1": register(dice.pick(&[0x11, 0x12])) } });
    }
    if dice.one_in(4) {
        policy["max_age"] = json!(dice.pick(&[0, 1, 600, 20_000]));
    }
    if dice.one_in(4) {
        policy["trust"] = dice.pick(&[
            json!("custom"),
            json!(["aws-nitro", "custom"]),
            json!("development"),
        ]);
    }
    if dice.one_in(4) {
        let own = hex::encode(aws_lc_rs::digest::digest(&SHA256, draft.root.der()));
        let other = "ab".repeat(32);
        policy["root"] = dice.pick(&[json!(own), json!([other, own]), json!(other)]);
    }
    for (key, value) in [("nonce", "nonce"), ("user_data", "user data"), ("public_key", "")] {
        if dice.one_in(6) {
            policy[key] = json!(hex::encode(value));
        }
    }
    if dice.one_in(2) {
        policy["allow_debug"] = json!(dice.one_in(2));
    }
    policy
}

fn change_field(dice: &mut Dice<'_>, authority: &Authority, draft: &mut Draft) {
    let length = dice.pick(&[0, 1, 23, 24, 255, 256, 512, 1023, 1024, 1025]);
    match dice.below(9) {
        0 => {
            let key = dice.pick(&draft.fields).0;
            *draft = draft.without(&key);
        }
        1 => {
            let (key, value) = dice.pick(&draft.fields);
            draft.push(&key, value);
        }
        2 => {
            let (one, other) = (dice.below(draft.fields.len()), dice.below(draft.fields.len()));
            draft.fields.swap(one, other);
        }
        3 | 4 => {
            let key = dice.pick(&["public_key", "user_data", "nonce", "hostile"]);
            let value = dice.pick(&[null(), bytes(&vec![7; length]), text("text"), uint(7)]);
            draft.set(key, value);
        }
        5 => {
            let now = NOW * 1000;
            let timestamp = dice.pick(&[
                0,
                1,
                now - 601_000,
                now - 600_000,
                now + 10_000,
                now + 11_001,
                u64::MAX,
            ]);
            draft.set("timestamp", uint(timestamp));
        }
        6 => {
            let id = dice.pick(&[
                "-enc0",
                "-enc",
                "-tpm0",
                "-enc0-enc1",
                "x-enc0",
                "-enc0é",
                "-encENC",
            ]);
            draft.set("module_id", text(&format!("{INSTANCE_ID}{id}")));
        }
        7 => draft.set("pcrs", pcrs(&changed_pcrs(dice))),
        _ => {
            let mut bundle = authority.issue();
            bundle.truncate(LEAF);
            match dice.below(3) {
                0 => drop(bundle.remove(dice.below(bundle.len()))),
                1 => bundle.swap(dice.below(LEAF), dice.below(LEAF)),
                _ => bundle.insert(dice.below(LEAF), bundle[ROOT].clone()),
            }
            draft.set("cabundle", bundle_of(&bundle));
        }
    }
}

fn changed_pcrs(dice: &mut Dice<'_>) -> Vec<(u64, Vec<u8>)> {
    let mut values = pcr_values();
    for _ in 0..=dice.below(2) {
        let position = dice.below(values.len());
        match dice.below(5) {
            0 => values[position].0 = dice.pick(&[4, 5, 16, 31, 32, 255, 256, u64::MAX]),
            1 => values[position].1.fill(dice.pick(&[0, 1])),
            2 => values[position].1.resize(dice.pick(&[0, 47, 48, 49, 64]), 0),
            3 => values.push((dice.pick(&[6, 7, 8, 31, 32]), vec![1; 48])),
            _ if values.len() > 1 => drop(values.remove(position)),
            _ => {}
        }
    }
    values
}

fn change_certificate(dice: &mut Dice<'_>, authority: &mut Authority) {
    let place = dice.below(LEAF) + 1;
    let params = &mut authority.params[place];
    let second = |offset: i64| OffsetDateTime::from_unix_timestamp(NOW as i64 + offset).unwrap();
    let offset = dice.pick(&[-600, -1, 0, 1, 600]);
    match dice.below(7) {
        0 => params.not_before = second(offset),
        1 => params.not_after = second(offset),
        2 => {
            params.is_ca = dice.pick(&[
                IsCa::NoCa,
                IsCa::ExplicitNoCa,
                IsCa::Ca(BasicConstraints::Unconstrained),
                IsCa::Ca(BasicConstraints::Constrained(0)),
                IsCa::Ca(BasicConstraints::Constrained(2)),
            ]);
        }
        3 => {
            use KeyUsagePurpose::{CrlSign, DigitalSignature, KeyAgreement, KeyCertSign};
            let all = [DigitalSignature, KeyCertSign, CrlSign, KeyAgreement];
            params.key_usages = all.into_iter().filter(|_| dice.one_in(2)).collect();
        }
        4 => {
            let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
            extension.set_criticality(dice.one_in(2));
            params.custom_extensions = vec![extension];
        }
        5 => params.distinguished_name = rcgen::DistinguishedName::new(),
        _ if place < LEAF => authority.keys[place] = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
        _ => {}
    }
}
