//! What layers make.

use eif_build::rootfs::{Error, Kind, Limits};
use tar::EntryType;

use crate::{
    apply, apply_with,
    common::{Layer, Pack, gzip, plain, zstd},
    content, paths,
};

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
