//! The seeds of the fuzz targets, which fuzzing made: each through the function that its target calls.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "../fuzz/targets.rs"]
#[allow(unreachable_pub)] // The fuzzers reach it.
mod targets;

use std::fs;
use std::path::Path;

/// A target's name and function.
type Target = (&'static str, fn(&[u8]));

#[test]
fn every_seed_of_the_fuzz_targets_is_judged() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let known: [Target; 3] = [
        ("evidence", targets::evidence),
        ("policy", targets::policy),
        ("row", targets::row),
    ];
    let mut sources: Vec<_> = fs::read_dir(folder.join("fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_owned())
        .collect();
    sources.sort();
    assert_eq!(sources, known.map(|(name, _)| name));
    for (name, target) in known {
        let seeds: Vec<_> = fs::read_dir(folder.join("seeds").join(name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(seeds.len() > 10, "{name} has {} seeds", seeds.len());
        for seed in seeds {
            println!("{}", seed.display()); // Shown if it fails.
            target(&fs::read(&seed).unwrap());
        }
    }
}
