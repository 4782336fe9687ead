//! Faults of the payload, signed as it stands.

use super::Case;
use crate::authority::{Authority, Draft, bundle_of, bytes, document, null, pcr_values, pcrs, text, uint};
use attestation::Code::{
    self, Digest, DuplicateField, FieldLength, Malformed, MissingField, ModuleId, NitroTpm, NonMinimal, Pcr4,
    PcrIndex, Timestamp, TrailingBytes, UnknownField,
};

pub(super) fn cases() -> Vec<Case> {
    [map(), keys(), optional(), certificates(), single(), registers()]
        .into_iter()
        .flatten()
        .collect()
}

/// Names, rules, payloads and codes as cases, each payload signed.
fn signed(authority: &Authority, draft: &Draft, faults: Vec<(&str, &str, Vec<u8>, Code)>) -> Vec<Case> {
    let case = |(name, rule, payload, code): (&str, &str, Vec<u8>, Code)| {
        let document = document(&payload, &authority.signature(&payload));
        Case::new(&format!("payload-{name}"), rule, document, &draft.root).refused(code)
    };
    faults.into_iter().map(case).collect()
}

fn map() -> Vec<Case> {
    let authority = Authority::new();
    let draft = authority.draft();
    let mut open = draft.clone();
    open.indefinite = true;
    let (definite, indefinite) = (draft.payload(), open.payload());
    let items = &definite[1..];
    let rule = "payload: a map, definite or indefinite, and nothing behind it";
    let minimal = "heads as short as can be";
    let faults = vec![
        ("empty", rule, vec![], Malformed),
        ("array", rule, b"\x80".to_vec(), Malformed),
        (
            "trailing-byte",
            rule,
            [&definite[..], &[0]].concat(),
            TrailingBytes,
        ),
        (
            "trailing-byte-indefinite",
            rule,
            [&indefinite[..], &[0]].concat(),
            TrailingBytes,
        ),
        (
            "trailing-break",
            rule,
            [&definite[..], &[0xff]].concat(),
            TrailingBytes,
        ),
        (
            "no-break",
            rule,
            indefinite[..indefinite.len() - 1].to_vec(),
            Malformed,
        ),
        (
            "one-entry-less-than-said",
            rule,
            [&[0xaa], items].concat(),
            Malformed,
        ),
        ("long-map-head", minimal, [&[0xb8, 9], items].concat(), NonMinimal),
        ("tagged", rule, [&[0xd8, 24], &definite[..]].concat(), Malformed),
        (
            "huge-map",
            rule,
            b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
            Malformed,
        ),
    ];
    signed(&authority, &draft, faults)
}

fn keys() -> Vec<Case> {
    let authority = Authority::new();
    let draft = authority.draft();
    let rule = "payload: the known keys, each once";
    let mut cases = Vec::new();
    for (key, value) in &draft.fields {
        let mut repeated = draft.clone();
        repeated.push(key, value.clone());
        let name = format!("{key}-twice");
        cases.extend(signed(
            &authority,
            &draft,
            vec![(&name, rule, repeated.payload(), DuplicateField)],
        ));
    }
    for key in [
        "module_id",
        "digest",
        "timestamp",
        "pcrs",
        "certificate",
        "cabundle",
    ] {
        let name = format!("{key}-absent");
        let payload = draft.without(key).payload();
        cases.extend(signed(
            &authority,
            &draft,
            vec![(&name, rule, payload, MissingField)],
        ));
    }
    let mut key_of_bytes = draft.without("nonce").payload();
    key_of_bytes[0] += 1;
    key_of_bytes.extend(b"\x45nonce\xf6");
    let mut chunked_key = draft.without("nonce").payload();
    chunked_key[0] += 1;
    chunked_key.extend(b"\x7f\x65nonce\xff\xf6");
    let tpm = draft.without("pcrs").with("nitrotpm_pcrs", pcrs(&pcr_values()));
    let faults = vec![
        (
            "unknown-key",
            rule,
            draft.with("hostile", null()).payload(),
            UnknownField,
        ),
        ("key-of-bytes", rule, key_of_bytes, Malformed),
        ("key-in-chunks", "strings in one piece", chunked_key, Malformed),
        (
            "nitrotpm",
            "nitrotpm_pcrs: another thing",
            tpm.payload(),
            NitroTpm,
        ),
    ];
    cases.extend(signed(&authority, &draft, faults));
    cases
}

fn optional() -> Vec<Case> {
    let authority = Authority::new();
    let draft = authority.draft();
    let mut cases = Vec::new();
    for key in ["public_key", "user_data", "nonce"] {
        let rule = format!("{key}: 0 to 1024 bytes, null or absent");
        for (what, value, code) in [
            ("1025-bytes", bytes(&[7; 1025]), FieldLength),
            ("text", text("text"), Malformed),
            ("undefined", b"\xf7".to_vec(), Malformed),
            ("in-chunks", b"\x5f\x41a\xff".to_vec(), Malformed),
            ("long-head", b"\x58\x01a".to_vec(), NonMinimal),
        ] {
            let name = format!("{key}-{what}");
            let payload = draft.with(key, value).payload();
            cases.extend(signed(&authority, &draft, vec![(&name, &rule, payload, code)]));
        }
    }
    cases
}

fn certificates() -> Vec<Case> {
    let authority = Authority::new();
    let draft = authority.draft();
    let rule = "certificate and each of cabundle: 1 to 1024 bytes";
    let certificates = authority.issue();
    let bundle = |last: &[u8]| bundle_of(&[&certificates[..3], &[last.to_vec()]].concat());
    let mut nested = bundle_of(&certificates[..4]);
    nested.insert(0, 0x81);
    let faults = vec![
        ("certificate-empty", "certificate", bytes(b""), FieldLength),
        (
            "certificate-1025-bytes",
            "certificate",
            bytes(&[7; 1025]),
            FieldLength,
        ),
        ("certificate-null", "certificate", null(), Malformed),
        ("cabundle-empty", "cabundle", bundle_of(&[]), FieldLength),
        ("cabundle-null", "cabundle", null(), Malformed),
        ("cabundle-with-empty", "cabundle", bundle(b""), FieldLength),
        (
            "cabundle-with-1025-bytes",
            "cabundle",
            bundle(&[7; 1025]),
            FieldLength,
        ),
        ("cabundle-nested", "cabundle", nested, Malformed),
        ("cabundle-indefinite", "cabundle", b"\x9f\xff".to_vec(), Malformed),
        (
            "cabundle-huge",
            "cabundle",
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
            FieldLength,
        ),
    ]
    .into_iter()
    .map(|(name, key, value, code)| (name, rule, draft.with(key, value).payload(), code))
    .collect();
    signed(&authority, &draft, faults)
}

fn single() -> Vec<Case> {
    let authority = Authority::new();
    let draft = authority.draft();
    let module = "module_id is i-<instance>-enc<enclave>";
    let digest = "digest \"SHA384\"";
    let time = "timestamp: milliseconds, not 0";
    let id = |id| ("module_id", text(id));
    let faults = vec![
        ("module-id-empty", module, id(""), ModuleId),
        (
            "module-id-without-enclave",
            module,
            id("i-0123456789abcdef0"),
            ModuleId,
        ),
        (
            "module-id-empty-enclave",
            module,
            id("i-0123456789abcdef0-enc"),
            ModuleId,
        ),
        (
            "module-id-without-i",
            module,
            id("0123456789abcdef0-enc0"),
            ModuleId,
        ),
        (
            "module-id-line-end",
            module,
            id("i-0123456789abcdef0-enc0\n"),
            ModuleId,
        ),
        (
            "module-id-two-enclaves",
            module,
            id("i-0123456789abcdef0-enc0-enc1"),
            ModuleId,
        ),
        (
            "module-id-tpm",
            module,
            id("i-0123456789abcdef0-tpm0000000000000000"),
            NitroTpm,
        ),
        (
            "module-id-bytes",
            module,
            ("module_id", bytes(b"i-0-enc0")),
            Malformed,
        ),
        (
            "module-id-not-utf8",
            module,
            ("module_id", b"\x62\xff\xfe".to_vec()),
            Malformed,
        ),
        ("digest-sha256", digest, ("digest", text("SHA256")), Digest),
        ("digest-lower-case", digest, ("digest", text("sha384")), Digest),
        ("digest-null", digest, ("digest", null()), Malformed),
        ("timestamp-0", time, ("timestamp", uint(0)), Timestamp),
        (
            "timestamp-negative",
            time,
            ("timestamp", b"\x20".to_vec()),
            Malformed,
        ),
        (
            "timestamp-tagged",
            time,
            ("timestamp", b"\xc1\x01".to_vec()),
            Malformed,
        ),
        (
            "timestamp-bignum",
            time,
            ("timestamp", b"\xc2\x41\x01".to_vec()),
            Malformed,
        ),
        (
            "timestamp-float",
            time,
            ("timestamp", b"\xf9\x3c\x00".to_vec()),
            Malformed,
        ),
        ("timestamp-true", time, ("timestamp", b"\xf5".to_vec()), Malformed),
        (
            "timestamp-long-head",
            time,
            ("timestamp", b"\x18\x01".to_vec()),
            NonMinimal,
        ),
    ]
    .into_iter()
    .map(|(name, rule, (key, value), code)| (name, rule, draft.with(key, value).payload(), code))
    .collect();
    signed(&authority, &draft, faults)
}

fn registers() -> Vec<Case> {
    let authority = Authority::new();
    let draft = authority.draft();
    let rule = "pcrs: 1 to 32 of 48 bytes, index 0 to 31, each once";
    let value = || vec![1; 48];
    let many: Vec<_> = (0..33).map(|index| (index, value())).collect();
    let mut other_instance = pcr_values();
    other_instance[4].1[0] ^= 1;
    let open = [b"\xbf".as_slice(), &pcrs(&pcr_values())[1..], b"\xff"].concat();
    let long_index = [b"\xa1\x18\x00".as_slice(), &bytes(&value())].concat();
    let faults = vec![
        ("pcrs-none", rule, pcrs(&[]), FieldLength),
        ("pcrs-33", rule, pcrs(&many), FieldLength),
        ("pcr-47-bytes", rule, pcrs(&[(0, vec![1; 47])]), FieldLength),
        ("pcr-49-bytes", rule, pcrs(&[(0, vec![1; 49])]), FieldLength),
        ("pcr-32", rule, pcrs(&[(32, value())]), PcrIndex),
        ("pcr-256", rule, pcrs(&[(256, value())]), PcrIndex),
        (
            "pcr-twice",
            rule,
            pcrs(&[(0, value()), (0, value())]),
            DuplicateField,
        ),
        ("pcrs-indefinite", rule, open, Malformed),
        (
            "pcr-negative-index",
            rule,
            [b"\xa1\x20".as_slice(), &bytes(&value())].concat(),
            Malformed,
        ),
        (
            "pcr-text-index",
            rule,
            [b"\xa1\x610".as_slice(), &bytes(&value())].concat(),
            Malformed,
        ),
        (
            "pcr-long-index",
            "heads as short as can be",
            long_index,
            NonMinimal,
        ),
        ("pcr-null", rule, b"\xa1\x00\xf6".to_vec(), Malformed),
        (
            "pcr4-of-other-instance",
            "PCR4 is the instance's",
            pcrs(&other_instance),
            Pcr4,
        ),
    ]
    .into_iter()
    .map(|(name, rule, value, code)| (name, rule, draft.with("pcrs", value).payload(), code))
    .collect();
    signed(&authority, &draft, faults)
}
