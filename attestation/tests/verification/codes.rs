//! The documentation against the library: its codes, its root, and the functions and tests that it names.

use attestation::{Code, Root};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

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

/// The names in backticks in the last column of the table under `heading`.
fn names_under(heading: &str) -> Vec<&'static str> {
    let (_, section) = DOCUMENTATION.split_once(heading).unwrap();
    let rows = section
        .lines()
        .skip_while(|line| !line.starts_with("| --- "))
        .skip(1);
    rows.take_while(|line| line.starts_with("| "))
        .filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect()
}

/// Every source beneath `folder`, as its path and its text.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![(
                path.display().to_string(),
                fs::read_to_string(&path).unwrap_or_default(),
            )],
        })
        .collect()
}

/// Whether `name` (`function`, `module::function`, `Type::function`, `module::Type`) stands in these sources.
fn is_there(name: &str, sources: &[(String, String)]) -> bool {
    let (owner, function) = name.rsplit_once("::").unwrap_or(("", name));
    let owner = owner.rsplit("::").next().unwrap_or_default();
    let in_module = |path: &str| {
        let ends = [format!("/{owner}.rs"), format!("/{owner}/mod.rs")];
        ends.iter().any(|end| path.ends_with(end)) || path.contains(&format!("/{owner}/src/"))
    };
    let keyword = if function.starts_with(|first: char| first.is_ascii_uppercase()) {
        "struct"
    } else {
        "fn"
    };
    let declares = |text: &str| {
        ["(", "<"]
            .iter()
            .any(|next| text.contains(&format!("{keyword} {function}{next}")))
    };
    let is_type = owner.starts_with(|first: char| first.is_ascii_uppercase());
    let owns = |text: &str| {
        ["impl", "trait"].iter().any(|word| {
            text.lines()
                .any(|line| line.contains(word) && line.contains(owner) && line.trim_end().ends_with('{'))
        })
    };
    sources
        .iter()
        .any(|(path, text)| declares(text) && (owner.is_empty() || in_module(path) || is_type && owns(text)))
}

#[test]
fn every_function_and_test_that_is_named_exists() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let of_crates = ["attestation", "client", "contract"]
        .into_iter()
        .flat_map(|name| sources(&crate_folder.with_file_name(name).join("src")))
        .collect::<Vec<_>>();
    let tests = sources(&crate_folder.join("tests"));
    let rules = names_under("## The document: a checklist");
    let of_a_client = names_under("## What a client checks");
    let pitfalls = names_under("What goes wrong in other verifiers");
    assert!(rules.len() > 30 && of_a_client.len() > 5 && pitfalls.len() > 12);
    for (names, sources) in [(rules, &of_crates), (of_a_client, &of_crates), (pitfalls, &tests)] {
        let missing: Vec<_> = names
            .into_iter()
            .filter(|name| !is_there(name, sources))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
