//! The verification of a document against the five signatures that it cannot do without, with either provider: the
//! whole (at most 1.15 ×), and where the verifier holds the chain already (at most 1.3 × one signature). At the end a
//! table of medians: the ratios, and where the rest of the time goes. Exit status 1 if a limit is not kept, as on a
//! machine that does much else.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::panic)]

#[path = "../tests/verification/authority.rs"]
mod authority;

use attestation::crypto::{AwsLcRs, POINT_LEN, Provider, RustCrypto, Signature};
use attestation::{Document, Verifier};
use authority::{Authority, NOW, at};
use criterion::Criterion;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

const FIVE: &str = "five bare P-384 verifications";
const ONE: &str = "one bare P-384 verification";
const WHOLE: &str = "a document";
const HELD: &str = "a document, its chain held";
const REST: &str = "all but the signatures";
const READ: &str = "the document read";
const CERTIFICATES: &str = "five certificates read";
const HASHED: &str = "the chain hashed";

/// Finds every signature right at no cost: what is left is the rest of a verification.
#[derive(Debug)]
struct Free;

impl Provider for Free {
    fn sha256(&self, content: &[u8]) -> [u8; 32] {
        AwsLcRs.sha256(content)
    }

    fn sha384(&self, parts: &[&[u8]]) -> [u8; 48] {
        AwsLcRs.sha384(parts)
    }

    fn verifies(&self, _: &[u8; POINT_LEN], _: &[u8], _: Signature<'_>) -> bool {
        true
    }
}

/// A signature of the chain, or the document's own.
struct Signed {
    point: [u8; POINT_LEN],
    message: Vec<u8>,
    signature: Vec<u8>,
    in_der: bool,
}

impl Signed {
    fn verifies(&self, provider: &dyn Provider) -> bool {
        let signature = match self.in_der {
            true => Signature::Der(&self.signature),
            false => Signature::Fixed(&self.signature),
        };
        provider.verifies(&self.point, &self.message, signature)
    }
}

/// The signature of `certificate`, by the key of `issuer`.
fn of_certificate(issuer: &[u8], certificate: &[u8]) -> Signed {
    let (_, parsed) = X509Certificate::from_der(certificate).unwrap();
    Signed {
        point: point(issuer),
        message: parsed.tbs_certificate.as_ref().to_vec(),
        signature: parsed.signature_value.data.to_vec(),
        in_der: true,
    }
}

fn point(certificate: &[u8]) -> [u8; POINT_LEN] {
    let (_, parsed) = X509Certificate::from_der(certificate).unwrap();
    let key = &parsed.public_key().subject_public_key.data;
    key.as_ref().try_into().unwrap()
}

fn benchmark(criterion: &mut Criterion) {
    let authority = Authority::new();
    let mut draft = authority.draft();
    draft.indefinite = true;
    let payload = draft.payload();
    let signature = authority.signature(&payload);
    let document = authority::document(&payload, &signature);
    let parsed = Document::parse_unverified(&document).unwrap();
    let chain: Vec<_> = parsed.cabundle.iter().chain([&parsed.certificate]).collect();
    let mut signatures: Vec<_> = chain
        .windows(2)
        .map(|pair| of_certificate(pair[0], pair[1]))
        .collect();
    signatures.push(Signed {
        point: point(&parsed.certificate),
        message: [
            b"\x84\x6aSignature1\x44\xa1\x01\x38\x22\x40".as_slice(),
            &authority::bytes(&payload),
        ]
        .concat(),
        signature,
        in_der: false,
    });

    let providers: [(&str, &'static dyn Provider); 2] =
        [("aws-lc-rs", &AwsLcRs), ("rustcrypto", &RustCrypto)];
    for (name, provider) in providers {
        let mut group = criterion.benchmark_group(name);
        group.bench_function(FIVE, |bencher| {
            bencher.iter(|| {
                assert!(
                    black_box(&signatures)
                        .iter()
                        .all(|signed| signed.verifies(provider))
                )
            });
        });
        let plain = Verifier::new([draft.root.clone()]).provider(provider);
        group.bench_function(WHOLE, |bencher| {
            bencher.iter(|| plain.verify(black_box(&document), at(NOW)).unwrap());
        });
        group.bench_function(ONE, |bencher| {
            bencher.iter(|| assert!(black_box(&signatures)[4].verifies(provider)));
        });
        let caching = Verifier::new([draft.root.clone()]).provider(provider).caching(64);
        group.bench_function(HELD, |bencher| {
            bencher.iter(|| caching.verify(black_box(&document), at(NOW)).unwrap());
        });
        group.finish();
    }
    let mut group = criterion.benchmark_group(REST);
    let plain = Verifier::new([draft.root.clone()]).provider(&Free);
    group.bench_function(WHOLE, |bencher| {
        bencher.iter(|| plain.verify(black_box(&document), at(NOW)).unwrap());
    });
    let caching = Verifier::new([draft.root.clone()]).provider(&Free).caching(64);
    group.bench_function(HELD, |bencher| {
        bencher.iter(|| caching.verify(black_box(&document), at(NOW)).unwrap());
    });
    group.bench_function(READ, |bencher| {
        bencher.iter(|| Document::parse_unverified(black_box(&document)).unwrap());
    });
    group.bench_function(CERTIFICATES, |bencher| {
        bencher.iter(|| {
            for der in black_box(&chain) {
                black_box(X509Certificate::from_der(der).unwrap());
            }
        });
    });
    group.bench_function(HASHED, |bencher| {
        let parts: Vec<_> = chain.iter().map(|der| der.as_slice()).collect();
        bencher.iter(|| AwsLcRs.sha384(black_box(&parts)));
    });
    group.finish();
}

/// The medians of a run, in nanoseconds, from the files that criterion leaves.
struct Medians<'f>(&'f Path);

impl Medians<'_> {
    /// `None` for what was not measured, as with a filter or in a test of the benchmark.
    fn of(&self, group: &str, what: &str) -> Option<f64> {
        let file = self.0.join(group).join(what).join("new/estimates.json");
        let estimates: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        estimates["median"]["point_estimate"].as_f64()
    }
}

/// Prints the table; whether every limit is kept.
fn table(medians: &Medians<'_>) -> Option<bool> {
    let mut kept = true;
    println!(
        "\n{:<48} {:>10} {:>7} {:>7}",
        "medians of one run", "ms", "ratio", "limit"
    );
    for provider in ["aws-lc-rs", "rustcrypto"] {
        for (what, bare, limit) in [(WHOLE, FIVE, 1.15), (HELD, ONE, 1.3)] {
            let (time, bare_time) = (medians.of(provider, what)?, medians.of(provider, bare)?);
            let ratio = time / bare_time;
            kept &= ratio <= limit;
            println!("{:<48} {:>10.3}", format!("{provider}: {bare}"), bare_time / 1e6);
            let verdict = if ratio <= limit { "kept" } else { "NOT KEPT" };
            let what = format!("{provider}: {what}");
            println!(
                "{what:<48} {:>10.3} {ratio:>7.2} {limit:>7.2}  {verdict}",
                time / 1e6
            );
        }
    }
    println!("\n{:<48} {:>10}", "where the rest goes", "µs");
    for what in [WHOLE, CERTIFICATES, READ, HELD, HASHED] {
        println!(
            "{:<48} {:>10.1}",
            format!("{REST}: {what}"),
            medians.of(REST, what)? / 1e3
        );
    }
    Some(kept)
}

fn main() -> ExitCode {
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("criterion");
    // What an earlier run measured is no part of this one.
    let _ = std::fs::remove_dir_all(&output);
    let mut criterion = Criterion::default()
        .output_directory(&output)
        .configure_from_args();
    benchmark(&mut criterion);
    criterion.final_summary();
    match table(&Medians(&output)) {
        Some(false) => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}
