//! Archived evidence, at its own time.

use crate::authority::{Authority, LEAF_END, LEAF_START, at, uint};
use crate::support::code;
use attestation::{Archived, Attested, Code, Policy, Verifier, audit, verify};
use std::time::Duration;

#[test]
fn the_chain_is_judged_at_the_documents_own_time() {
    let authority = Authority::new();
    let audited = |second: u64| {
        let draft = authority.draft().with("timestamp", uint(second * 1000));
        audit(&authority.sign(&draft), &[draft.root])
    };
    audited(LEAF_START).unwrap();
    audited(LEAF_END).unwrap();
    assert_eq!(code(audited(LEAF_START - 1)), Code::CertificateNotYetValid);
    assert_eq!(code(audited(LEAF_END + 1)), Code::CertificateExpired);
}

#[test]
fn what_expired_long_ago_is_accepted_in_an_audit_and_nowhere_else() {
    let authority = Authority::new();
    let draft = authority.draft();
    let document = authority.sign(&draft);
    let years_later = at(LEAF_END + 10 * 365 * 86_400);
    let roots = [draft.root];
    assert_eq!(
        code(verify(&document, &roots, years_later)),
        Code::CertificateExpired
    );
    let verifier = Verifier::new(roots).caching(8);
    verifier.audit(&document).unwrap();
    assert_eq!(
        code(verifier.verify(&document, years_later)),
        Code::CertificateExpired,
        "what an audit left in the cache is no live acceptance"
    );
}

#[test]
fn an_audit_keeps_every_other_rule_and_compares_no_age() {
    let authority = Authority::new();
    let draft = authority.draft();
    let roots = [draft.root.clone()];
    let mut document = authority.sign(&draft);
    let policy = Policy::new()
        .pcr(0, [0x10; 48])
        .nonce(b"nonce")
        .max_age(Duration::ZERO);
    let attested: Attested<Archived> = audit(&document, &roots).unwrap().check(&policy).unwrap();
    assert_eq!(attested.compared(), ["0", "nonce"]);
    assert_eq!(attested.not_compared(), ["timestamp"]);
    let genuine = || audit(&authority.sign(&draft), &roots).unwrap();
    assert_eq!(code(genuine().check(&Policy::new())), Code::NoExpectation);
    assert_eq!(code(genuine().check(&policy.nonce(b"other"))), Code::Nonce);
    *document.last_mut().unwrap() ^= 1;
    assert_eq!(code(audit(&document, &roots)), Code::Signature);
    assert_eq!(code(audit(&document, &[])), Code::UnknownRoot);
}
