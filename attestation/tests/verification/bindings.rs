//! What `user_data` and `public_key` are bound to, as bytes and by hash.

use crate::authority::{Authority, NOW, at, bytes, null};
use crate::support::code;
use attestation::{Binding, Code, Policy};
use aws_lc_rs::digest::{SHA256, SHA384, digest};

#[test]
fn a_field_is_bound_by_its_hash_or_to_the_hash_of_something() {
    let authority = Authority::new();
    let sha256: [u8; 32] = digest(&SHA256, b"content").as_ref().try_into().unwrap();
    let sha384: [u8; 48] = digest(&SHA384, b"content").as_ref().try_into().unwrap();
    for (field, expected) in [
        (&b"content"[..], Binding::from(b"content")),
        (b"content", Binding::Sha256(sha256)),
        (b"content", Binding::Sha384(sha384)),
        (&sha256, Binding::sha256_of(b"content")),
        (&sha384, Binding::sha384_of(b"content")),
    ] {
        for key in ["user_data", "public_key"] {
            let check = |value| {
                let genuine = authority.verify(&authority.draft().with(key, value)).unwrap();
                let policy = Policy::new().pcr(0, [0x10; 48]);
                let policy = match key {
                    "user_data" => policy.user_data(expected.clone()),
                    _ => policy.public_key(expected.clone()),
                };
                genuine.check(&policy, at(NOW))
            };
            assert_eq!(check(bytes(field)).unwrap().compared(), ["0", key]);
            let refused = if key == "user_data" {
                Code::UserData
            } else {
                Code::PublicKey
            };
            for other in [
                bytes(b"Content"),
                bytes(b""),
                null(),
                bytes(&[field, b"\0"].concat()),
            ] {
                assert_eq!(code(check(other)), refused, "{key} {expected}");
            }
        }
    }
}

#[test]
fn a_refusal_says_what_the_field_is_bound_to() {
    let genuine = Authority::new().verify_chain().unwrap();
    let policy = Policy::new()
        .pcr(0, [0x10; 48])
        .public_key(Binding::Sha256([7; 32]));
    let refusal = genuine.check(&policy, at(NOW)).unwrap_err();
    assert_eq!((refusal.field(), refusal.found()), ("public_key", "absent"));
    assert_eq!(
        refusal.expected(),
        format!("bytes whose SHA-256 is {}", hex::encode([7; 32]))
    );
}
