//! The conformance suite, as others get it: written to files, read back, and each document judged.

#[path = "../../examples/conformance/suite/mod.rs"]
pub(crate) mod suite;

use crate::authority::at;
use attestation::{Code, Policy, Refusal, Root, verify};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A folder of this name for a test's files, empty. It stays, so that what failed can be looked at.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// What this library says of a document.
pub(crate) fn verdict(
    document: &[u8],
    roots: &[Root],
    now: SystemTime,
    policy: Option<&Value>,
) -> Result<(), Refusal> {
    let genuine = verify(document, roots, now)?;
    if let Some(policy) = policy {
        let policy = Policy::read(&policy.to_string()).unwrap();
        genuine.check(&policy, now)?;
    }
    Ok(())
}

/// What it says of an entry of the manifest in `folder`.
fn judge(folder: &Path, entry: &Value) -> Result<(), Refusal> {
    let read = |file: &Value| fs::read(folder.join(file.as_str().unwrap())).unwrap();
    let roots: Vec<_> = entry["roots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| Root::from_der(&read(file)).unwrap())
        .collect();
    let now = at(entry["clock"].as_u64().unwrap());
    let policy = Some(&entry["policy"]).filter(|policy| !policy.is_null());
    verdict(&read(&entry["file"]), &roots, now, policy)
}

#[test]
fn every_document_of_the_suite_is_judged_as_its_manifest_says() {
    let folder = folder("conformance");
    let cases = suite::cases();
    suite::write(&folder, &cases).unwrap();
    let manifest: Value = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let entries = manifest["documents"].as_array().unwrap();
    assert_eq!(entries.len(), cases.len());
    let judged = |entry: &Value| match judge(&folder, entry) {
        Ok(()) => "verified",
        Err(refusal) => refusal.code(),
    };
    let wrong: Vec<_> = entries
        .iter()
        .map(|entry| (&entry["name"], judged(entry), &entry["expected"]))
        .filter(|(_, found, expected)| found != expected)
        .collect();
    assert!(
        wrong.is_empty(),
        "(name, found, expected) in {}: {wrong:#?}",
        folder.display()
    );
}

#[test]
fn the_suite_has_every_code_and_each_name_once() {
    let cases = suite::cases();
    let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), cases.len());
    let expected: BTreeSet<_> = cases
        .iter()
        .filter_map(|case| case.expected)
        .map(Code::as_str)
        .collect();
    assert_eq!(expected, Code::ALL.iter().map(|code| code.as_str()).collect());
    assert!(cases.iter().filter(|case| case.expected.is_none()).count() > 40);
}
