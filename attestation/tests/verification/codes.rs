//! The codes are documented, all of them and no others.

use attestation::{Code, Root};
use std::collections::BTreeSet;

/// The table of codes in the documentation, and the prose around it.
const DOCUMENTATION: &str = include_str!("../../../docs/verification.md");

#[test]
fn every_code_is_documented_and_every_documented_code_exists() {
    let (_, from_table) = DOCUMENTATION.split_once("(`attestation::Code`):").unwrap();
    let (table, _) = from_table
        .split_once("\n\nThose of the evidence around it")
        .unwrap();
    let first_column = |row: &'static str| row.strip_prefix("| ")?.split(" | ").next();
    let documented: Vec<_> = table
        .lines()
        .filter_map(first_column)
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let set: BTreeSet<_> = documented.iter().copied().collect();
    assert_eq!(set.len(), documented.len(), "a code is documented twice");
    assert_eq!(set, Code::ALL.iter().map(|code| code.as_str()).collect());
}

#[test]
fn the_documented_root_is_the_built_in_one() {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, Root::aws_nitro().der());
    assert!(DOCUMENTATION.contains(&hex::encode(digest)));
}
