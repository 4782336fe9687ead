//! The seeds of the fuzz targets, each through the function that its target calls.
#![allow(clippy::unwrap_used)]

#[path = "../fuzz/targets.rs"]
#[allow(unreachable_pub)] // The fuzzers reach it.
mod targets;

use std::fs;
use std::path::Path;

#[test]
fn every_seed_of_the_fuzz_targets_is_judged() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/batch");
    let seeds: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(seeds.len() > 10, "there are {} seeds", seeds.len());
    for seed in seeds {
        println!("{}", seed.display()); // Shown if it fails.
        targets::batch(&fs::read(&seed).unwrap());
    }
}
