//! The envelope and the fields: what is legal, and everything that is not.

use crate::authority::{
    Authority, Draft, ES384, INSTANCE_ID, NOW, at, bundle_of, bytes, document, null, pcr_values, pcrs, text,
    uint,
};
use crate::support::{code, negate_scalar, parsed};
use attestation::{Code, Document, MAX_DOCUMENT_LEN, Root, Trust, verify};

#[test]
fn every_legal_encoding_is_accepted() {
    let authority = Authority::new();
    let draft = authority.draft();
    let mut indefinite = draft.clone();
    indefinite.indefinite = true;
    for draft in [
        draft.clone(),
        indefinite,
        draft.without("nonce").without("user_data").without("public_key"),
        draft.with("nonce", null()),
        draft.with("user_data", bytes(b"")),
        draft.with("public_key", bytes(&[7; 1024])),
    ] {
        let genuine = authority.verify(&draft).unwrap();
        assert_eq!(genuine.trust(), Trust::Custom);
    }
}

#[test]
fn the_tagged_form_is_accepted_and_other_tags_are_not() {
    let authority = Authority::new();
    let untagged = authority.sign(&authority.draft());
    let tagged = |tag: &[u8]| Document::parse_unverified(&[tag, &untagged].concat());
    assert_eq!(tagged(b"\xd2").unwrap(), parsed(&untagged));
    assert_eq!(code(tagged(b"\xd1")), Code::CoseTag);
    assert_eq!(code(tagged(b"\xd8\x12")), Code::NonMinimal);
    assert_eq!(code(tagged(b"\xd2\xd2")), Code::Malformed);
}

#[test]
fn null_absent_and_empty_are_told_apart_where_they_differ() {
    let authority = Authority::new();
    let draft = authority.draft();
    let nonce = |draft: &Draft| parsed(&authority.sign(draft)).nonce;
    assert_eq!(nonce(&draft.with("nonce", null())), None);
    assert_eq!(nonce(&draft.without("nonce")), None);
    assert_eq!(nonce(&draft.with("nonce", bytes(b""))), Some(Vec::new()));
}

#[test]
fn high_and_low_s_are_both_accepted() {
    let authority = Authority::new();
    let payload = authority.draft().payload();
    let root = Root::from_der(&parsed(&document(&payload, &[0; 96])).cabundle[0]).unwrap();
    let low = authority.signature(&payload);
    let mut high = low.clone();
    negate_scalar(&mut high[48..]);
    assert_ne!(low, high);
    for signature in [low, high] {
        verify(
            &document(&payload, &signature),
            std::slice::from_ref(&root),
            at(NOW),
        )
        .unwrap();
    }
}

#[test]
fn the_envelope_is_exactly_that_of_an_attestation_document() {
    let authority = Authority::new();
    let payload = authority.draft().payload();
    let signature = authority.signature(&payload);
    let envelope = |head: &[u8], protected: &[u8], unprotected: &[u8], signature: &[u8]| {
        let parts = [
            head,
            &bytes(protected),
            unprotected,
            &bytes(&payload),
            &bytes(signature),
        ]
        .concat();
        code(Document::parse_unverified(&parts))
    };
    assert_eq!(envelope(b"\x83", ES384, b"\xa0", &signature), Code::Malformed);
    assert_eq!(envelope(b"\x85", ES384, b"\xa0", &signature), Code::Malformed);
    assert_eq!(envelope(b"\x9f", ES384, b"\xa0", &signature), Code::Malformed);
    assert_eq!(
        envelope(b"\x98\x04", ES384, b"\xa0", &signature),
        Code::NonMinimal
    );
    for protected in [
        &b""[..],
        b"\xa0",
        b"\xa1\x01\x26",
        b"\xa1\x01\x39\x00\x22",
        b"\xa2\x01\x38\x22\x04\x40",
    ] {
        assert_eq!(
            envelope(b"\x84", protected, b"\xa0", &signature),
            Code::ProtectedHeader
        );
    }
    assert_eq!(
        envelope(b"\x84", ES384, b"\xa1\x01\x38\x22", &signature),
        Code::UnprotectedHeader
    );
    assert_eq!(envelope(b"\x84", ES384, b"\xbf\xff", &signature), Code::Malformed);
    assert_eq!(envelope(b"\x84", ES384, b"\xf6", &signature), Code::Malformed);
    for wrong in [&b""[..], &signature[..95], &[&signature[..], b"\0"].concat()] {
        assert_eq!(envelope(b"\x84", ES384, b"\xa0", wrong), Code::SignatureLength);
    }
    let whole = document(&payload, &signature);
    assert_eq!(
        code(Document::parse_unverified(&[&whole[..], b"\0"].concat())),
        Code::TrailingBytes
    );
    assert_eq!(
        code(Document::parse_unverified(&vec![0x84; MAX_DOCUMENT_LEN + 1])),
        Code::TooLarge
    );
}

#[test]
fn the_signature_is_over_this_payload_by_this_leaf() {
    let authority = Authority::new();
    let draft = authority.draft();
    let root = Root::from_der(&parsed(&authority.sign(&draft)).cabundle[0]).unwrap();
    let payload = draft.payload();
    let other_payload = draft.with("nonce", bytes(b"other")).payload();
    for signature in [
        authority.signature(&other_payload),
        Authority::new().signature(&payload),
        vec![0; 96],
        vec![0xff; 96],
    ] {
        let result = verify(
            &document(&payload, &signature),
            std::slice::from_ref(&root),
            at(NOW),
        );
        assert_eq!(code(result), Code::Signature);
    }
}

#[test]
fn each_field_keeps_its_bounds() {
    let authority = Authority::new();
    let draft = authority.draft();
    let refused = |key: &str, value: Vec<u8>| code(authority.verify(&draft.with(key, value)));
    for key in ["public_key", "user_data", "nonce"] {
        assert_eq!(refused(key, bytes(&[7; 1025])), Code::FieldLength);
        assert_eq!(refused(key, text("text")), Code::Malformed);
        assert_eq!(refused(key, b"\xf7".to_vec()), Code::Malformed);
        assert_eq!(refused(key, b"\x5f\x41a\xff".to_vec()), Code::Malformed);
        assert_eq!(refused(key, b"\x58\x01a".to_vec()), Code::NonMinimal);
    }
    assert_eq!(refused("certificate", bytes(b"")), Code::FieldLength);
    assert_eq!(refused("certificate", bytes(&[7; 1025])), Code::FieldLength);
    assert_eq!(refused("certificate", null()), Code::Malformed);
    assert_eq!(refused("cabundle", bundle_of(&[])), Code::FieldLength);
    assert_eq!(refused("cabundle", bundle_of(&[vec![]])), Code::FieldLength);
    assert_eq!(
        refused("cabundle", bundle_of(&[vec![7; 1025]])),
        Code::FieldLength
    );
    assert_eq!(
        refused("cabundle", b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()),
        Code::FieldLength
    );
    assert_eq!(refused("timestamp", uint(0)), Code::Timestamp);
    assert_eq!(refused("timestamp", b"\x20".to_vec()), Code::Malformed);
    assert_eq!(refused("timestamp", b"\xc1\x01".to_vec()), Code::Malformed);
    assert_eq!(refused("digest", text("SHA256")), Code::Digest);
    assert_eq!(refused("digest", text("sha384")), Code::Digest);
}

#[test]
fn module_id_names_an_instance_and_an_enclave() {
    let authority = Authority::new();
    let draft = authority.draft();
    let refused = |id: &str| code(authority.verify(&draft.with("module_id", text(id))));
    for id in [
        "",
        "i-0",
        "i--enc0",
        "i-0-enc",
        "0-enc0",
        "i-0 -enc0",
        "i-0-enc0-enc1",
        "i-0-enc\n",
    ] {
        assert_eq!(refused(id), Code::ModuleId, "{id:?}");
    }
    assert_eq!(refused("i-06db2e7b3a8a90535-tpm0000000000000000"), Code::NitroTpm);
}

#[test]
fn pcrs_keep_their_bounds() {
    let authority = Authority::new();
    let draft = authority.draft();
    let refused = |values: &[(u64, Vec<u8>)]| code(authority.verify(&draft.with("pcrs", pcrs(values))));
    let value = || vec![1; 48];
    assert_eq!(refused(&[]), Code::FieldLength);
    assert_eq!(refused(&[(0, vec![1; 47])]), Code::FieldLength);
    assert_eq!(refused(&[(0, vec![1; 49])]), Code::FieldLength);
    for index in [32, 255, 256, u64::MAX] {
        assert_eq!(refused(&[(index, value())]), Code::PcrIndex);
    }
    assert_eq!(refused(&[(0, value()), (0, value())]), Code::DuplicateField);
    assert_eq!(
        refused(&(0..33).map(|index| (index, value())).collect::<Vec<_>>()),
        Code::FieldLength
    );
    let all: Vec<_> = (0..32)
        .filter(|index| *index != 4)
        .map(|index| (index, value()))
        .collect();
    authority.verify(&draft.with("pcrs", pcrs(&all))).unwrap();
    assert_eq!(
        code(authority.verify(&draft.with("pcrs", b"\xbf\xff".to_vec()))),
        Code::Malformed
    );
}

#[test]
fn pcr4_is_the_instance_of_module_id_or_zero() {
    let authority = Authority::new();
    let draft = authority.draft();
    let other = draft.with("module_id", text("i-0fedcba987654321f-enc0123456789abcdef"));
    assert_eq!(code(authority.verify(&other)), Code::Pcr4);
    let mut values = pcr_values();
    values[4].1 = vec![0; 48];
    authority.verify(&other.with("pcrs", pcrs(&values))).unwrap();
    assert_eq!(
        authority.verify(&draft).unwrap().document().instance_id(),
        INSTANCE_ID
    );
}

#[test]
fn missing_unknown_and_repeated_fields_are_refused() {
    let authority = Authority::new();
    let draft = authority.draft();
    for key in [
        "module_id",
        "digest",
        "timestamp",
        "pcrs",
        "certificate",
        "cabundle",
    ] {
        let refusal = authority.verify(&draft.without(key)).unwrap_err();
        assert_eq!((refusal.kind(), refusal.field()), (Code::MissingField, key));
    }
    for (key, value) in draft.fields.clone() {
        let mut repeated = draft.clone();
        repeated.push(&key, value);
        let refusal = authority.verify(&repeated).unwrap_err();
        assert_eq!(
            (refusal.kind(), refusal.field()),
            (Code::DuplicateField, key.as_str())
        );
    }
    assert_eq!(
        code(authority.verify(&draft.with("hostile", null()))),
        Code::UnknownField
    );
    let tpm = draft.without("pcrs").with("nitrotpm_pcrs", pcrs(&pcr_values()));
    assert_eq!(code(authority.verify(&tpm)), Code::NitroTpm);
}

#[test]
fn nothing_stands_after_the_payload_nor_is_missing_at_its_end() {
    let authority = Authority::new();
    let mut draft = authority.draft();
    let read = |payload: Vec<u8>| code(Document::parse_unverified(&document(&payload, &[0; 96])));
    assert_eq!(read([draft.payload(), vec![0]].concat()), Code::TrailingBytes);
    draft.indefinite = true;
    let payload = draft.payload();
    assert_eq!(read([payload.clone(), vec![0]].concat()), Code::TrailingBytes);
    assert_eq!(read(payload[..payload.len() - 1].to_vec()), Code::Malformed);
    assert_eq!(
        read(b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()),
        Code::Malformed
    );
    assert_eq!(read(b"\xa1\x01\x01".to_vec()), Code::Malformed);
}
