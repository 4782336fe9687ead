//! The verification of a genuine document, here and by two published verifiers.
//!
//! ```text
//! TREZA_VECTORS=… cargo run --release -- --bench
//! ```
//!
//! Both trust AWS's root alone, so the document is one of the folder `TREZA_VECTORS/attestation`: the newest good one.
//! `nitro_attest` is given a time as we are. `attestation-doc-validation` takes the system's clock and is skipped
//! unless that stands at the time that is printed, for instance by Debian's `faketime`:
//!
//! ```text
//! TREZA_VECTORS=… FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f '@2026-01-01 00:00:00' target/release/compare --bench
//! ```

use attestation::{Root, Verifier};
use criterion::Criterion;
use nitro_attest::UnparsedAttestationDoc;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;

const GROUP: &str = "peers";
const OURS: &str = "attestation";
const HELD: &str = "attestation, the chain held";
const NITRO_ATTEST: &str = "nitro_attest 0.2.0";
const DOC_VALIDATION: &str = "attestation-doc-validation 0.10.1";

fn main() -> Result<(), Box<dyn Error>> {
    let (document, seconds) = newest_document()?;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
    let date = OffsetDateTime::from_unix_timestamp(seconds)?;
    println!("a document of {} bytes, at {date}", document.len());

    let output = std::env::temp_dir().join("treza-peers");
    // What an earlier run measured is no part of this one.
    let _ = fs::remove_dir_all(&output);
    let mut criterion = Criterion::default()
        .output_directory(&output)
        .configure_from_args();
    let mut group = criterion.benchmark_group(GROUP);
    let plain = Verifier::new([Root::aws_nitro()]);
    plain.verify(&document, now)?;
    group.bench_function(OURS, |bencher| {
        bencher.iter(|| plain.verify(black_box(&document), now).is_ok());
    });
    let caching = Verifier::new([Root::aws_nitro()]).caching(64);
    group.bench_function(HELD, |bencher| {
        bencher.iter(|| caching.verify(black_box(&document), now).is_ok());
    });
    let nitro_attest = |document: &[u8]| UnparsedAttestationDoc::from(document).parse_and_verify(date);
    nitro_attest(&document)?;
    group.bench_function(NITRO_ATTEST, |bencher| {
        bencher.iter(|| nitro_attest(black_box(&document)).is_ok());
    });
    match attestation_doc_validation::validate_and_parse_attestation_doc(&document) {
        Err(error) => {
            println!("{DOC_VALIDATION}: skipped, the clock is not at {date}: {error}")
        }
        Ok(_) => {
            group.bench_function(DOC_VALIDATION, |bencher| {
                bencher.iter(|| {
                    attestation_doc_validation::validate_and_parse_attestation_doc(black_box(&document))
                        .is_ok()
                });
            });
        }
    }
    group.finish();
    table(&output.join(GROUP));
    Ok(())
}

/// The medians of this run, and their ratios to ours.
fn table(measured: &Path) {
    let median = |what: &str| {
        let estimates = fs::read(measured.join(what).join("new/estimates.json")).ok()?;
        let estimates: serde_json::Value = serde_json::from_slice(&estimates).ok()?;
        estimates["median"]["point_estimate"].as_f64()
    };
    let Some(ours) = median(OURS) else { return };
    println!("\n{:<40} {:>8} {:>7}", "medians of one run", "ms", "ratio");
    for what in [OURS, HELD, NITRO_ATTEST, DOC_VALIDATION] {
        if let Some(time) = median(what) {
            println!("{what:<40} {:>8.3} {:>7.2}", time / 1e6, time / ours);
        }
    }
}

/// The newest good document of the folder, and a second at which its chain is valid.
fn newest_document() -> Result<(Vec<u8>, i64), Box<dyn Error>> {
    let folder =
        std::env::var_os("TREZA_VECTORS").ok_or("TREZA_VECTORS must name a folder of genuine documents")?;
    let folder = PathBuf::from(folder).join("attestation");
    let index: Vec<serde_json::Value> = serde_json::from_slice(&fs::read(folder.join("index.json"))?)?;
    let newest = index
        .iter()
        .filter(|vector| vector["valid"] == true)
        .max_by_key(|vector| vector["timestamp_ms"].as_u64())
        .ok_or("no good document")?;
    let name = newest["file"].as_str().ok_or("no file")?;
    let start = newest["window_unix"][0].as_i64().ok_or("no window")?;
    Ok((fs::read(folder.join(name))?, start + 60))
}
