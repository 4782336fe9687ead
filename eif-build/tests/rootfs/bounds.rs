//! What is too large, and what only claims to be.

use eif_build::rootfs::{Error, Limits, Problem};
use tar::EntryType;

use crate::{
    apply_with,
    common::{Layer, Pack, gzip, plain, zstd},
    paths, problem, reason,
};

#[test]
fn files_of_4_gib_are_refused_before_they_are_read() {
    for size in [1u64 << 32, (1 << 33) - 1, 1 << 40, u64::MAX] {
        let mut tar = Layer::new().file("big", b"").tar();
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes().copy_from_slice(&tar[..512]);
        header.set_size(size);
        header.set_cksum();
        tar[..512].copy_from_slice(header.as_bytes());
        let refused = reason(apply_with(&[(tar, plain)], &Limits::default()).unwrap_err());
        let found = matches!(
            refused,
            Error::Malformed(_)
                | Error::Entry {
                    problem: Problem::TooLarge | Problem::Number,
                    ..
                }
        );
        assert!(found, "{size}: {refused}");
    }
}

#[test]
fn sparse_files_are_refused_however_they_are_marked() {
    let refused = |records: &[(&str, &[u8])]| {
        problem(vec![
            Layer::new()
                .pax(records.iter().copied())
                .file("GNUSparseFile.1/x", b"1\n0\n5\nhello"),
        ])
    };
    // GNU tar's formats 0.0, 0.1 and 1.0 of pax, and the old type of its own.
    assert_eq!(
        refused(&[("GNU.sparse.size", b"9"), ("GNU.sparse.numblocks", b"1")]),
        Problem::Type
    );
    assert_eq!(refused(&[("GNU.sparse.map", b"0,5")]), Problem::Type);
    assert_eq!(
        refused(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"x"),
            ("GNU.sparse.realsize", b"9")
        ]),
        Problem::Type
    );
    let old = Layer::new().entry("s", EntryType::GNUSparse, 0o644, "", b"hello");
    assert_eq!(problem(vec![old]), Problem::Type);
}

#[test]
fn bombs_are_refused() {
    let limits = Limits {
        total_bytes: 100_000,
        entries: 10,
        ..Limits::default()
    };
    let bomb = Layer::new().file("zeros", &vec![0; 1 << 20]).tar();
    for pack in [plain as Pack, gzip, zstd] {
        assert!(matches!(
            apply_with(&[(bomb.clone(), pack)], &limits),
            Err(Error::TooManyBytes(100_000))
        ));
    }
    let trailing = [Layer::new().file("a", b"").tar(), vec![0; 1 << 20]].concat();
    assert!(matches!(
        apply_with(&[(trailing, gzip)], &limits),
        Err(Error::TooManyBytes(_))
    ));
    let half = |name: &str| (Layer::new().file(name, &[0; 60_000]).tar(), gzip as Pack);
    assert!(
        matches!(
            apply_with(&[half("a"), half("b")], &limits),
            Err(Error::TooManyBytes(_))
        ),
        "counted over all layers"
    );
    let many = (0..11)
        .fold(Layer::new(), |layer, number| {
            layer.file(&format!("f{number}"), b"")
        })
        .tar();
    assert!(matches!(
        apply_with(&[(many, plain)], &limits),
        Err(Error::TooManyEntries(10))
    ));
    let deep = |number: usize| format!("{number}/{}f", "a/".repeat(1_900));
    let one = Layer::new()
        .pax([("path", deep(0).as_bytes())])
        .file("f", b"")
        .tar();
    assert!(
        matches!(
            apply_with(&[(one, plain)], &limits),
            Err(Error::TooManyEntries(10))
        ),
        "implied directories count"
    );
    let many = (0..50).fold(Layer::new(), |layer, number| {
        layer.pax([("path", deep(number).as_bytes())]).file("f", b"")
    });
    assert!(
        matches!(
            apply_with(&[(many.tar(), plain)], &Limits::default()),
            Err(Error::TooManyNames(_))
        ),
        "names are held in memory, and are bounded"
    );
}

#[test]
fn links_that_multiply_the_steps_of_every_path_are_refused() {
    // Not the header's 100 bytes, which are too few for it.
    let long = |layer: Layer, name: &str, target: &str| {
        layer
            .pax([("linkpath", target.as_bytes())])
            .entry(name, EntryType::Symlink, 0o777, "", b"")
    };
    for detour in ["d/../", "./"] {
        let chain = (0..39).fold(Layer::new().directory("d"), |layer, number| {
            let target = format!("{}l{}", detour.repeat(3_900 / detour.len()), number + 1);
            long(layer, &format!("l{number}"), &target)
        });
        let layer = (0..1_000).fold(chain.directory("l39"), |layer, number| {
            layer.file(&format!("l0/{number}"), b"")
        });
        assert_eq!(problem(vec![layer]), Problem::Steps, "{detour}");
    }
}

#[test]
fn what_is_taken_away_twice_is_looked_for_once() {
    let lower = Layer::new().file("d/old", b"").file("e/old", b"");
    let files = (0..2_000).fold(Layer::new(), |layer, number| {
        layer.file(&format!("d/{number}"), b"")
    });
    let upper = (0..10_000).fold(files, |layer, _| {
        layer
            .file("d/.wh..wh..opq", b"")
            .file(".wh.d", b"")
            .file("e/.wh..wh..opq", b"")
    });
    // Were all of it looked at each time, it would take 40 million steps, and be refused.
    let tree = apply_with(&[(lower.tar(), plain), (upper.tar(), plain)], &Limits::default()).unwrap();
    assert_eq!(tree.entries().count(), 2_003);
    assert!(!paths(&tree).contains("old"));
}
