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
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;

fn main() -> Result<(), Box<dyn Error>> {
    let (document, seconds) = newest_document()?;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
    let date = OffsetDateTime::from_unix_timestamp(seconds)?;
    println!("a document of {} bytes, at {date}", document.len());

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("peers");
    let plain = Verifier::new([Root::aws_nitro()]);
    plain.verify(&document, now)?;
    group.bench_function("attestation", |bencher| {
        bencher.iter(|| plain.verify(black_box(&document), now).is_ok());
    });
    let caching = Verifier::new([Root::aws_nitro()]).caching(64);
    group.bench_function("attestation, the chain held", |bencher| {
        bencher.iter(|| caching.verify(black_box(&document), now).is_ok());
    });
    let nitro_attest = |document: &[u8]| UnparsedAttestationDoc::from(document).parse_and_verify(date);
    nitro_attest(&document)?;
    group.bench_function("nitro_attest 0.2.0", |bencher| {
        bencher.iter(|| nitro_attest(black_box(&document)).is_ok());
    });
    match attestation_doc_validation::validate_and_parse_attestation_doc(&document) {
        Err(error) => {
            println!("attestation-doc-validation 0.10.1: skipped, the clock is not at {date}: {error}")
        }
        Ok(_) => {
            group.bench_function("attestation-doc-validation 0.10.1", |bencher| {
                bencher.iter(|| {
                    attestation_doc_validation::validate_and_parse_attestation_doc(black_box(&document))
                        .is_ok()
                });
            });
        }
    }
    group.finish();
    Ok(())
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
