//! The example of a verifier for a service does what it shows.

#[path = "../../examples/verifier.rs"]
#[allow(dead_code)] // Its `main`, which reads files.
mod verifier;

use crate::authority::{Authority, NOW, at, pcr_values, pcrs};
use attestation::{Code, Root};
use std::time::Duration;
use verifier::{Answer, Gate};

fn policy() -> String {
    let (old, new) = (hex::encode([0x99; 48]), hex::encode([0x10; 48]));
    format!("[release.\"1.4.0\"]\n0 = \"{old}\"\n[release.\"1.5.0\"]\n0 = \"{new}\"\n")
}

#[test]
fn the_example_admits_its_own_and_acts_on_the_code_of_every_refusal() {
    let authority = Authority::new();
    let draft = authority.draft();
    let document = authority.sign(&draft);
    let gate = Gate::new(&policy(), [Root::aws_nitro(), draft.root.clone()]).unwrap();
    let judge = |document: &[u8], nonce: &[u8]| gate.judge(document, Some(nonce), at(NOW));
    assert_eq!(
        judge(&document, b"nonce"),
        Answer::Admit {
            release: Some("1.5.0".into()),
            compared: ["0", "nonce", "timestamp"].map(Into::into).to_vec(),
        }
    );
    assert_eq!(judge(&document, b"another"), Answer::AskAgain);
    let late = at(NOW) + Duration::from_secs(121);
    assert_eq!(gate.judge(&document, Some(b"nonce"), late), Answer::AskAgain);
    let mut values = pcr_values();
    values[0].1.fill(0x77);
    let other = authority.sign(&draft.with("pcrs", pcrs(&values)));
    assert!(matches!(judge(&other, b"nonce"), Answer::Reject(reason) if reason.starts_with("release: pcrs")));
    let mut forged = document.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(judge(&forged, b"nonce"), Answer::Forged(Code::Signature));
    assert_eq!(judge(b"", b"nonce"), Answer::Forged(Code::Malformed));
}

#[test]
fn the_example_does_not_start_with_a_policy_that_anybody_meets() {
    let pcr = hex::encode([0x10; 48]);
    let starts = |policy: &str| Gate::new(policy, [Root::aws_nitro()]).is_ok();
    assert!(starts(&format!("[pcr]\n0 = \"{pcr}\"\n")));
    assert!(!starts(""));
    assert!(!starts(&format!("[pcr]\n4 = \"{pcr}\"\n")));
    assert!(!starts(&format!(
        "[release.a]\n0 = \"{pcr}\"\n[release.b]\n8 = \"{pcr}\"\n"
    )));
}
