//! The verification of a document against the five bare P-384 verifications that it cannot do without.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

#[path = "../tests/verification/support.rs"]
#[allow(dead_code)]
mod support;

use attestation::{Root, verify};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use support::{Authority, LEAF, NOW, ROOT, at, parsed};

fn benchmark(criterion: &mut Criterion) {
    let authority = Authority::new();
    let payload = authority.draft().payload();
    let signature = authority.signature(&payload);
    let document = support::document(&payload, &signature);
    let roots = [Root::from_der(&parsed(&document).cabundle[ROOT]).unwrap()];
    let signed = [
        b"\x84\x6aSignature1\x44\xa1\x01\x38\x22\x40".as_slice(),
        &support::bytes(&payload),
    ]
    .concat();
    let key = authority.keys[LEAF].public_key_raw();

    let mut group = criterion.benchmark_group("verify");
    group.bench_function("five bare P-384 verifications", |bencher| {
        bencher.iter(|| {
            for _ in 0..5 {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key)
                    .verify(black_box(&signed), &signature)
                    .unwrap();
            }
        });
    });
    group.bench_function("a document", |bencher| {
        bencher.iter(|| verify(black_box(&document), &roots, at(NOW)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
