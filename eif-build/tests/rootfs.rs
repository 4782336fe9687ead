//! Layers: what they make, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod common;

use std::io::Read;

use common::{Layer, Pack, gzip, plain, zstd};
use eif_build::{
    digest::Digest,
    rootfs::{self, Error, Kind, Limits, PackedLayer, Problem, Spool, Tree},
};
use proptest::prelude::*;
use tar::EntryType;

fn apply_with(layers: &[(Vec<u8>, Pack)], limits: &Limits) -> Result<Tree, Error> {
    let packed: Vec<_> = layers
        .iter()
        .map(|(tar, pack)| (pack(tar), Digest::of(tar)))
        .collect();
    let layers = packed.iter().map(|(bytes, diff_id)| {
        Ok(PackedLayer {
            bytes: &bytes[..],
            digest: Some(Digest::of(bytes)),
            diff_id: *diff_id,
        })
    });
    rootfs::apply(
        layers,
        Tree::new(Spool::new_in(&std::env::temp_dir()).unwrap()),
        limits,
    )
}

fn apply(layers: Vec<Layer>) -> Result<Tree, Error> {
    let layers: Vec<_> = layers
        .into_iter()
        .map(|layer| (layer.tar(), plain as Pack))
        .collect();
    apply_with(&layers, &Limits::default())
}

fn paths(tree: &Tree) -> String {
    let names: Vec<_> = tree
        .entries()
        .skip(1)
        .map(|(path, ..)| String::from_utf8_lossy(path).into_owned())
        .collect();
    names.join(" ")
}

fn content(tree: &Tree, path: &str) -> String {
    let Some(Kind::File(extent)) = tree.get(path.as_bytes()).map(|inode| &inode.kind) else {
        return "none".into();
    };
    let mut text = String::new();
    tree.spool().read(*extent).read_to_string(&mut text).unwrap();
    text
}

fn problem(layers: Vec<Layer>) -> Problem {
    match apply(layers) {
        Err(Error::Entry { problem, .. }) => problem,
        other => panic!("not refused as an entry: {other:?}"),
    }
}

#[test]
fn upper_layers_replace_and_white_out_lower_ones() {
    let lower = Layer::new()
        .directory("a/")
        .file("a/1", b"one")
        .file("a/2", b"two")
        .file("b/x/y", b"y")
        .file("c", b"c");
    let upper = Layer::new()
        .file("a/.wh.1", b"")
        .file("a/2", b"new")
        .file("b/.wh..wh..opq", b"")
        .file("b/z", b"z")
        .file(".wh.c", b"");
    let tree = apply(vec![lower, upper]).unwrap();
    assert_eq!(paths(&tree), "a a/2 b b/z");
    assert_eq!(content(&tree, "a/2"), "new");
}

#[test]
fn whiteouts_leave_their_own_layer_alone_in_any_order() {
    let lower = || Layer::new().file("d/old", b"").file("d/sub/old", b"");
    let after = Layer::new()
        .file("d/new", b"")
        .file("d/sub/new", b"")
        .file("d/.wh..wh..opq", b"");
    assert_eq!(
        paths(&apply(vec![lower(), after]).unwrap()),
        "d d/new d/sub d/sub/new"
    );
    let whole = Layer::new().file("d/new", b"").file(".wh.d", b"");
    assert_eq!(paths(&apply(vec![lower(), whole]).unwrap()), "d d/new");
}

#[test]
fn files_and_directories_replace_one_another() {
    let tree = apply(vec![
        Layer::new().file("a/b", b""),
        Layer::new().file("a", b"file"),
    ])
    .unwrap();
    assert_eq!(paths(&tree), "a");
    let tree = apply(vec![
        Layer::new().file("a", b""),
        Layer::new().directory("a").file("a/b", b""),
    ])
    .unwrap();
    assert_eq!(paths(&tree), "a a/b");
}

#[test]
fn metadata_is_kept() {
    let layer = Layer::new()
        .entry("bin/su", EntryType::Regular, 0o4755, "", b"su")
        .link("bin/su2", "bin/su")
        .entry("dev/null", EntryType::Char, 0o666, "", b"")
        .entry("run/pipe", EntryType::Fifo, 0o600, "", b"")
        .pax([
            ("SCHILY.xattr.security.capability", &b"\x01\n="[..]),
            ("SCHILY.xattr.security.selinux", b"x"),
        ])
        .file("bin/ping", b"");
    let tree = apply(vec![layer]).unwrap();
    let su = tree.get(b"bin/su").unwrap();
    assert_eq!((su.permissions, su.uid, su.gid), (0o4755, 1000, 100));
    let number = |wanted: &[u8]| tree.entries().find(|(path, ..)| *path == wanted).unwrap().1;
    assert_eq!(number(b"bin/su"), number(b"bin/su2"));
    assert!(matches!(
        tree.get(b"dev/null").unwrap().kind,
        Kind::CharacterDevice(1, 3)
    ));
    assert!(matches!(tree.get(b"run/pipe").unwrap().kind, Kind::Fifo));
    let xattrs = &tree.get(b"bin/ping").unwrap().xattrs;
    assert_eq!(
        xattrs.iter().collect::<Vec<_>>(),
        [(&"security.capability".to_owned(), &b"\x01\n=".to_vec())]
    );
}

#[test]
fn compressions_and_long_names_give_the_same_tree() {
    let long = "d/".repeat(150) + "file";
    let layer = || {
        Layer::new()
            .pax([("path", long.as_bytes())])
            .file("short", b"x")
            .tar()
    };
    for pack in [plain as Pack, gzip, zstd] {
        let tree = apply_with(&[(layer(), pack)], &Limits::default()).unwrap();
        assert_eq!(content(&tree, &long), "x");
    }
    let bytes = apply(vec![Layer::new().pax([("path", &b"n\xff"[..])]).file("x", b"")]).unwrap();
    assert!(bytes.get(b"n\xff").is_some(), "names that are not UTF-8 are kept");
}

#[test]
fn symbolic_links_are_followed_within_the_image() {
    let lower = Layer::new()
        .directory("usr/lib")
        .symlink("lib", "usr/lib")
        .symlink("abs", "/usr")
        .symlink("up", "usr/../usr");
    let upper = Layer::new()
        .file("lib/a", b"")
        .file("abs/lib/b", b"")
        .file("up/lib/c", b"");
    assert_eq!(
        paths(&apply(vec![lower, upper]).unwrap()),
        "abs lib up usr usr/lib usr/lib/a usr/lib/b usr/lib/c"
    );
}

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
fn files_of_4_gib_are_refused_before_they_are_read() {
    for size in [1u64 << 32, (1 << 33) - 1, 1 << 40, u64::MAX] {
        let mut tar = Layer::new().file("big", b"").tar();
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes().copy_from_slice(&tar[..512]);
        header.set_size(size);
        header.set_cksum();
        tar[..512].copy_from_slice(header.as_bytes());
        let refused = apply_with(&[(tar, plain)], &Limits::default()).unwrap_err();
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
        assert!(matches!(made_so, Error::Malformed(_)), "{made_so}");
        assert!(eif_build::Error::from(made_so).is_refusal());
    }
}

#[test]
fn users_are_resolved_in_the_image() {
    let passwd = b"root:x:0:0:root:/root:/bin/sh\nwww:x:33:44:www:/var/www:/bin/false\n";
    let group = b"root:x:0:\nadm:x:4:www,x\nwww:x:44:\nssl:x:9:www\n";
    let layer = Layer::new()
        .file("usr/passwd", passwd)
        .symlink("etc/passwd", "/usr/passwd")
        .file("etc/group", group);
    let tree = apply(vec![layer]).unwrap();
    let user = |text: &str| {
        tree.resolve_user(text)
            .map(|user| (user.uid, user.gid, user.groups, user.home))
            .unwrap()
    };
    assert_eq!(user(""), (0, 0, vec![], "/root".into()));
    assert_eq!(user("www"), (33, 44, vec![4, 9], "/var/www".into()));
    assert_eq!(user("33"), (33, 44, vec![4, 9], "/var/www".into()));
    assert_eq!(user("www:adm"), (33, 4, vec![], "/var/www".into()));
    assert_eq!(user("1234"), (1234, 0, vec![], "/".into()));
    assert_eq!(user("1234:77"), (1234, 77, vec![], "/".into()));
    for unknown in ["nobody", "www:nogroup", "4294967296", "-1"] {
        assert!(
            matches!(tree.resolve_user(unknown), Err(Error::UnknownUser(_))),
            "{unknown}"
        );
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
