//! This library against a verifier that has nothing in common with it, in Python: each document must be accepted by
//! both or refused by both.

use crate::authority::{Authority, at};
use crate::conformance::{folder, suite, verdict};
use crate::dice::Dice;
use crate::genuine;
use crate::mutants::mutant;
use attestation::{Code, Root};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use suite::Case;

/// Mutants that are judged.
const MUTANTS: usize = 5000;

/// The Python environment that `scripts/test.sh` makes, if it has the libraries.
fn python() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let python = target.join("venv/bin/python");
    let ready = Command::new(&python)
        .args(["-c", "import cbor2, cryptography"])
        .output();
    if ready.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    println!(
        "skipped: {} is missing, or cbor2 and cryptography in it; scripts/test.sh makes it",
        python.display()
    );
    None
}

/// Has the other verifier judge the cases, whose expectation is what this library says. The files stay in `name`.
fn both_agree(name: &str, cases: &[Case]) {
    let Some(python) = python() else { return };
    let folder = folder(name);
    suite::write(&folder, cases).unwrap();
    let output = Command::new(python)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/differential/verify.py"
        ))
        .arg(&folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let all = format!("{} documents judged, 0 disagreements", cases.len());
    assert!(
        output.status.success() && said.trim_end() == all,
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The same choices each time, others for each seed.
fn dice(seed: u8) -> Dice<'static> {
    let mut numbers = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    Dice::new(move || numbers.next_u64())
}

/// `case`, with what this library says of it as the expectation.
fn judged(case: Case) -> Case {
    let policy = case.policy.as_ref();
    let expected = verdict(&case.document, &case.roots, at(case.clock), policy).err();
    Case {
        expected: expected.map(|refusal| refusal.kind()),
        ..case
    }
}

#[test]
fn both_say_the_same_of_the_conformance_suite() {
    let cases: Vec<_> = suite::cases().into_iter().map(judged).collect();
    both_agree("differential-suite", &cases);
}

#[test]
fn both_say_the_same_of_genuine_documents_and_of_changed_ones() {
    let mut dice = dice(1);
    let mut cases = Vec::new();
    for vector in genuine::vectors() {
        let case = |what: &str, document: &[u8], clock| {
            let name = format!("{}-{what}", vector.name);
            let case = Case::new(&name, "genuine", document.to_vec(), &Root::aws_nitro());
            judged(Case { clock, ..case })
        };
        let [start, end] = vector.window();
        for (what, clock) in [
            ("first", start),
            ("last", end),
            ("early", start.saturating_sub(1)),
            ("late", end + 1),
        ] {
            cases.push(case(what, &vector.document, clock));
        }
        for index in 0..20 {
            let mut changed = vector.document.clone();
            dice.edit(&mut changed);
            cases.push(case(&format!("changed-{index}"), &changed, start));
        }
    }
    if !cases.is_empty() {
        both_agree("differential-genuine", &cases);
    }
}

#[test]
fn both_say_the_same_of_mutants() {
    let mut dice = dice(2);
    let authority = Authority::new();
    let mutants: Vec<_> = (0..MUTANTS)
        .map(|index| judged(mutant(&mut dice, &authority, &format!("mutant-{index}"))))
        .collect();
    let codes: BTreeSet<_> = mutants
        .iter()
        .filter_map(|case| case.expected)
        .map(Code::as_str)
        .collect();
    let accepted = mutants.iter().filter(|case| case.expected.is_none()).count();
    println!("{accepted} accepted, the others refused with {codes:?}");
    assert!(
        accepted > MUTANTS / 20 && codes.len() > 25,
        "the mutants say too little"
    );
    both_agree("differential-mutants", &mutants);
}
