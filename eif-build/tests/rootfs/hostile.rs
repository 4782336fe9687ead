//! What is refused for what it says.

use eif_build::{
    digest::Digest,
    rootfs::{self, Error, Limits, PackedLayer, Problem, Spool, Tree},
};
use proptest::prelude::*;
use tar::EntryType;

use crate::{
    apply, apply_with,
    common::{Layer, Pack, gzip, plain, zstd},
    problem, reason,
};

#[test]
fn path_escapes_are_refused() {
    let refused = |layer: Layer| problem(vec![layer]);
    assert_eq!(refused(Layer::new().file("../x", b"")), Problem::Escape);
    assert_eq!(refused(Layer::new().file("a/../../x", b"")), Problem::Escape);
    assert_eq!(refused(Layer::new().file("/etc/passwd", b"")), Problem::Absolute);
    assert_eq!(
        refused(Layer::new().symlink("e", "../../etc").file("e/passwd", b"")),
        Problem::Escape
    );
    assert_eq!(
        refused(Layer::new().symlink("e", "/../etc").file("e/passwd", b"")),
        Problem::Escape
    );
    assert_eq!(refused(Layer::new().link("x", "../x")), Problem::Escape);
    assert_eq!(refused(Layer::new().link("x", "/etc/shadow")), Problem::Absolute);
    assert_eq!(refused(Layer::new().file("a/.wh...", b"")), Problem::Escape);
    assert_eq!(
        refused(Layer::new().symlink("a", "b").symlink("b", "a").file("a/x", b"")),
        Problem::LinkLoop
    );
    assert_eq!(
        refused(Layer::new().pax([("path", &b"../y"[..])]).file("x", b"")),
        Problem::Escape
    );
}

#[test]
fn the_root_stays_a_directory() {
    let lower = || Layer::new().symlink("out", "/").file("file", b"");
    for upper in [
        Layer::new().link(".", "out"),
        Layer::new().link("./", "file"),
        Layer::new().symlink(".", "/"),
        Layer::new().file(".", b""),
    ] {
        let refused = problem(vec![lower(), upper]);
        assert!(
            matches!(refused, Problem::NotADirectory | Problem::LinkTarget),
            "{refused:?}"
        );
    }
    let tree = apply(vec![lower(), Layer::new().file(".wh..wh..opq", b"")]).unwrap();
    assert_eq!(tree.entries().count(), 1, "the root itself is left");
}

#[test]
fn nonsense_is_refused() {
    let refused = |layer: Layer| problem(vec![layer]);
    assert_eq!(
        refused(Layer::new().file("a", b"1").file("a", b"2")),
        Problem::Duplicate
    );
    assert_eq!(
        refused(Layer::new().file("a", b"").file("a/b", b"")),
        Problem::NotADirectory
    );
    assert_eq!(refused(Layer::new().link("a", "b")), Problem::LinkTarget);
    assert_eq!(
        refused(Layer::new().directory("d").link("a", "d")),
        Problem::LinkTarget
    );
    assert_eq!(
        refused(Layer::new().entry("s", EntryType::GNUSparse, 0o644, "", b"")),
        Problem::Type
    );
    assert_eq!(
        refused(Layer::new().pax([("size", &b"5000000000"[..])]).file("x", b"")),
        Problem::TooLarge
    );
    assert_eq!(
        refused(Layer::new().pax([("size", &b"2"[..])]).file("x", b"1")),
        Problem::Sizes
    );
    assert_eq!(
        refused(
            Layer::new()
                .entry("x", EntryType::GNULongName, 0, "", &vec![b'a'; 2 << 20])
                .file("x", b"")
        ),
        Problem::Extension
    );
    assert_eq!(
        refused(
            Layer::new()
                .entry("x", EntryType::GNULongName, 0, "", &[b'a'; 5000])
                .file("x", b"")
        ),
        Problem::Path
    );
}

#[test]
fn attributes_on_a_name_that_is_not_utf_8_are_refused() {
    let layer = |records: &[(&str, &[u8])]| Layer::new().pax(records.iter().copied()).file("x", b"");
    let name = ("path", &b"n\xff"[..]);
    assert_eq!(
        problem(vec![layer(&[name, ("SCHILY.xattr.user.a", b"1")])]),
        Problem::Xattr
    );
    assert!(
        apply(vec![layer(&[name, ("SCHILY.xattr.trusted.a", b"1")])]).is_ok(),
        "one that is not kept"
    );
    let long = vec![b'v'; 65_537];
    assert_eq!(
        problem(vec![layer(&[("SCHILY.xattr.user.a", &long)])]),
        Problem::Xattr
    );
}

#[test]
fn another_layer_than_named_is_refused() {
    let tar = Layer::new().file("a", b"").tar();
    let packed = gzip(&tar);
    let run = |digest, diff_id| {
        let layer = PackedLayer {
            bytes: &packed[..],
            digest: Some(digest),
            diff_id,
        };
        rootfs::apply(
            [Ok(layer)],
            Tree::new(Spool::new_in(&std::env::temp_dir()).unwrap()),
            &Limits::default(),
        )
    };
    let (digest, diff_id, other) = (Digest::of(&packed), Digest::of(&tar), Digest::of(b""));
    assert!(run(digest, diff_id).is_ok());
    assert!(matches!(run(other, diff_id), Err(Error::Digest { .. })));
    assert!(matches!(run(digest, other), Err(Error::DiffId { .. })));
}

#[test]
fn a_layer_that_is_no_archive_is_told_from_one_that_was_damaged() {
    let tar = Layer::new().file("a", &[b'x'; 3000]).tar();
    for pack in [plain as Pack, gzip, zstd] {
        let whole = pack(&tar);
        let run = |bytes: &[u8], digest: Digest| {
            let layer = PackedLayer {
                bytes,
                digest: Some(digest),
                diff_id: Digest::of(&tar),
            };
            let tree = Tree::new(Spool::new_in(&std::env::temp_dir()).unwrap());
            rootfs::apply([Ok(layer)], tree, &Limits::default()).unwrap_err()
        };
        let cut = &whole[..whole.len() / 2];
        let damaged = run(cut, Digest::of(&whole));
        assert!(
            matches!(damaged, Error::Digest { .. }),
            "it is fetched again: {damaged}"
        );
        let made_so = run(cut, Digest::of(cut));
        assert!(matches!(reason(made_so), Error::Malformed(_)));
        assert!(eif_build::Error::from(run(cut, Digest::of(cut))).is_refusal());
    }
}

#[test]
fn an_error_names_the_layer_and_the_file() {
    let lower = Layer::new().file("a", b"").tar();
    let upper = Layer::new()
        .pax([("GNU.sparse.major", &b"1"[..])])
        .file("dir/sparse", b"")
        .tar();
    let expected = format!("layer 2 ({}): entry \"dir/sparse\": ", Digest::of(&upper));
    let error = apply_with(&[(lower, plain), (upper, plain)], &Limits::default()).unwrap_err();
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[test]
fn what_an_archive_says_never_reaches_a_terminal_raw() {
    let mut tar = Layer::new().file("\u{1b}[31mEVIL", b"").tar();
    tar[148..156].copy_from_slice(b"\x1b[2Jxx\n\x07");
    let damaged = apply_with(&[(tar, plain)], &Limits::default()).unwrap_err();
    let named = apply(vec![Layer::new().file("\u{1b}[31m/../x", b"")]).unwrap_err();
    for text in [damaged.to_string(), named.to_string()] {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}

proptest! {
    #[test]
    fn hostile_layers_are_an_error_at_worst(changes in prop::collection::vec((0usize..4096, any::<u8>()), 0..10), cut in 0usize..5000) {
        let mut tar = Layer::new().directory("a").symlink("l", "a").pax([("path", &b"l/long"[..])]).file("x", b"data").tar();
        for (at, value) in changes {
            let length = tar.len();
            tar[at % length] = value;
        }
        tar.truncate(cut);
        if let Ok(tree) = apply_with(&[(tar, plain)], &Limits::default()) {
            for (path, ..) in tree.entries() {
                prop_assert!(!path.starts_with(b"/") && !path.split(|&byte| byte == b'/').any(|part| part == b".."));
            }
        }
    }
}
