//! Policies of several releases, and of kinds of root.

use crate::authority::{Authority, INSTANCE_ID, NOW, ROOT, at, pcr_values, pcrs};
use crate::support::code;
use attestation::{Code, Genuine, Pcr, Policy, Release, Root, Trust, pcr4_of};
use aws_lc_rs::digest::{SHA256, digest};
use rcgen::DnType;

const PCR0: Pcr = [0x10; 48];
const PCR1: Pcr = [0x11; 48];
const OTHER: Pcr = [0x99; 48];

fn genuine() -> Genuine {
    Authority::new().verify_chain().unwrap()
}

#[test]
fn any_of_several_releases_will_do_and_the_result_says_which() {
    let old = Release::new("1.4.0").pcr(0, OTHER);
    let new = Release::new("1.5.0").pcr(0, OTHER).pcr(0, PCR0).pcr(1, PCR1);
    for policy in [
        Policy::new().release(old.clone()).release(new.clone()),
        Policy::new().release(new.clone()).release(old.clone()),
        Policy::new()
            .release(new)
            .release(old)
            .pcr(4, pcr4_of(INSTANCE_ID)),
    ] {
        let attested = genuine().check(&policy, at(NOW)).unwrap();
        assert_eq!(attested.release(), Some("1.5.0"));
        let common: &[&str] = if policy.pcrs.is_empty() { &[] } else { &["4"] };
        assert_eq!(attested.compared(), [&["0", "1"], common].concat());
    }
    let unnamed = genuine().check(&Policy::new().pcr(0, PCR0), at(NOW)).unwrap();
    assert_eq!(unnamed.release(), None);
}

#[test]
fn one_release_must_have_all_its_pcrs() {
    let policy = Policy::new()
        .release(Release::new("a").pcr(0, PCR0).pcr(1, OTHER))
        .release(Release::new("b").pcr(0, OTHER).pcr(1, PCR1));
    let refusal = genuine().check(&policy, at(NOW)).unwrap_err();
    assert_eq!((refusal.kind(), refusal.field()), (Code::Release, "pcrs"));
    let (zero, one) = (hex::encode(PCR0), hex::encode(PCR1));
    assert_eq!(refusal.found(), format!("pcrs[0] {zero}, pcrs[1] {one}"));
    let other = hex::encode(OTHER);
    assert_eq!(
        refusal.expected(),
        format!("a release: \"a\" (pcrs[1] {other}) or \"b\" (pcrs[0] {other})")
    );
    // What is expected whichever the release is expected of each.
    let common = Policy::new()
        .release(Release::new("a").pcr(0, PCR0))
        .pcr(1, OTHER);
    assert_eq!(code(genuine().check(&common, at(NOW))), Code::Pcr);
}

#[test]
fn an_empty_expectation_is_refused_wherever_it_stands() {
    let full = Policy::new().pcr(0, PCR0);
    let mut without_value = full.clone();
    without_value.pcrs.insert(1, Vec::new());
    let mut without_value_in_release = full.clone().release(Release::new("a").pcr(0, PCR0));
    without_value_in_release.releases[0].pcrs.insert(1, Vec::new());
    for policy in [
        Policy::new().release(Release::new("a")),
        full.clone().release(Release::new("a")),
        full.release(Release::new("a").pcr(0, PCR0))
            .release(Release::new("b")),
        without_value,
        without_value_in_release,
    ] {
        assert_eq!(code(genuine().check(&policy, at(NOW))), Code::NoExpectation);
    }
}

#[test]
fn no_release_is_told_from_another_in_debug_mode() {
    let authority = Authority::new();
    let mut values = pcr_values();
    values[..3].iter_mut().for_each(|(_, value)| value.fill(0));
    let debug = authority
        .verify(&authority.draft().with("pcrs", pcrs(&values)))
        .unwrap();
    let release = Release::new("a").pcr(0, PCR0).pcr(4, pcr4_of(INSTANCE_ID));
    let policy = Policy::new().release(release);
    assert_eq!(code(debug.clone().check(&policy, at(NOW))), Code::Debug);
    let attested = debug.clone().check(&policy.allow_debug(true), at(NOW)).unwrap();
    assert_eq!(attested.release(), None);
    assert_eq!(
        (attested.compared(), attested.not_compared()),
        (&["4".into()][..], &["0".into()][..])
    );
    let elsewhere = Policy::new().release(Release::new("a").pcr(0, PCR0).pcr(4, OTHER));
    assert_eq!(
        code(debug.check(&elsewhere.allow_debug(true), at(NOW))),
        Code::Release
    );
}

#[test]
fn only_the_accepted_kinds_of_root_will_do() {
    let mut authority = Authority::new();
    let policy = Policy::new().pcr(0, PCR0);
    let check = |authority: &Authority, accepted: &[Trust]| {
        let genuine = authority.verify_chain().unwrap();
        genuine.check(&policy.clone().trust(accepted.iter().copied()), at(NOW))
    };
    assert_eq!(code(check(&authority, &[])), Code::Trust, "no kind is none");
    check(&authority, &[Trust::Custom]).unwrap();
    check(&authority, &[Trust::AwsNitro, Trust::Custom]).unwrap();
    let refusal = check(&authority, &[Trust::AwsNitro, Trust::Development]).unwrap_err();
    assert_eq!((refusal.kind(), refusal.field()), (Code::Trust, "cabundle[0]"));
    assert_eq!(refusal.expected(), "aws-nitro or development");
    authority.params[ROOT]
        .distinguished_name
        .push(DnType::CommonName, "DEVELOPMENT");
    check(&authority, &[Trust::Development]).unwrap();
    assert_eq!(code(check(&authority, &[Trust::AwsNitro])), Code::Trust);
    // Said again, it is in place of what was said before.
    let narrowed = policy
        .clone()
        .trust([Trust::Development])
        .trust([Trust::AwsNitro]);
    let genuine = authority.verify_chain().unwrap();
    assert_eq!(code(genuine.check(&narrowed, at(NOW))), Code::Trust);
}

#[test]
fn only_the_roots_that_are_named_will_do() {
    let (authority, other) = (Authority::new(), Authority::new());
    let fingerprint = |authority: &Authority| {
        let root = digest(&SHA256, authority.draft().root.der()).as_ref().to_vec();
        <[u8; 32]>::try_from(root).unwrap()
    };
    // Certificates are issued anew each time, so the draft is made once.
    let draft = authority.draft();
    let own: [u8; 32] = digest(&SHA256, draft.root.der()).as_ref().try_into().unwrap();
    let policy = || Policy::new().pcr(0, PCR0);
    let check = |policy: Policy| authority.verify(&draft).unwrap().check(&policy, at(NOW));
    check(policy().root(own)).unwrap();
    check(policy().root(fingerprint(&other)).root(own)).unwrap();
    let refusal = check(policy().root(fingerprint(&other))).unwrap_err();
    assert_eq!((refusal.kind(), refusal.field()), (Code::Root, "cabundle[0]"));
    assert!(refusal.found().ends_with(&hex::encode(own)), "{refusal}");
    // A fingerprint makes no root trusted that the verifier does not hold.
    assert_eq!(
        code(attestation::verify(
            &authority.sign(&draft),
            &[Root::aws_nitro()],
            at(NOW)
        )),
        Code::UnknownRoot
    );
}
