//! The verification of a document against the five signatures that it cannot do without, with either provider: the
//! whole (at most 1.15 ×), and where the verifier holds the chain already (at most 1.3 × one signature).
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::panic)]

#[path = "../tests/verification/authority.rs"]
mod authority;

use attestation::crypto::{AwsLcRs, POINT_LEN, Provider, RustCrypto, Signature};
use attestation::{Document, Verifier};
use authority::{Authority, NOW, at};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

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
        group.bench_function("five bare P-384 verifications", |bencher| {
            bencher.iter(|| {
                assert!(
                    black_box(&signatures)
                        .iter()
                        .all(|signed| signed.verifies(provider))
                )
            });
        });
        let plain = Verifier::new([draft.root.clone()]).provider(provider);
        group.bench_function("a document", |bencher| {
            bencher.iter(|| plain.verify(black_box(&document), at(NOW)).unwrap());
        });
        group.bench_function("one bare P-384 verification", |bencher| {
            bencher.iter(|| assert!(black_box(&signatures)[4].verifies(provider)));
        });
        let caching = Verifier::new([draft.root.clone()]).provider(provider).caching(64);
        group.bench_function("a document, its chain held", |bencher| {
            bencher.iter(|| caching.verify(black_box(&document), at(NOW)).unwrap());
        });
        group.finish();
    }
    let mut group = criterion.benchmark_group("all but the signatures");
    let plain = Verifier::new([draft.root.clone()]).provider(&Free);
    group.bench_function("a document", |bencher| {
        bencher.iter(|| plain.verify(black_box(&document), at(NOW)).unwrap());
    });
    let caching = Verifier::new([draft.root.clone()]).provider(&Free).caching(64);
    group.bench_function("a document, its chain held", |bencher| {
        bencher.iter(|| caching.verify(black_box(&document), at(NOW)).unwrap());
    });
    group.bench_function("the document read", |bencher| {
        bencher.iter(|| Document::parse_unverified(black_box(&document)).unwrap());
    });
    group.bench_function("five certificates read", |bencher| {
        bencher.iter(|| {
            for der in black_box(&chain) {
                black_box(X509Certificate::from_der(der).unwrap());
            }
        });
    });
    group.bench_function("the chain hashed", |bencher| {
        let parts: Vec<_> = chain.iter().map(|der| der.as_slice()).collect();
        bencher.iter(|| AwsLcRs.sha384(black_box(&parts)));
    });
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
