//! An EIF taken apart: sections and root file system, by anyone, and whatever the ramdisks say.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod common;

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use common::{
    eif::{small, with_ramdisks},
    gzip, zstd,
};
use eif_build::{
    Error, LeftOut, RootFs,
    cpio::{Entry, Writer, file_type},
    rootfs::{self, Limits, Problem},
};
use tempfile::{TempDir, tempdir};

const BOTH: RootFs = RootFs {
    directory: true,
    tar: true,
};

type File = (Entry, &'static [u8]);

fn entry(path: &str, mode: u32, data: &'static [u8]) -> File {
    let plain = Entry::new(path, mode, 1);
    (
        Entry {
            size: data.len() as u32,
            uid: 33,
            gid: 44,
            ..plain
        },
        data,
    )
}

fn directory(path: &str) -> File {
    entry(path, file_type::DIRECTORY | 0o755, b"")
}

fn file(path: &str, data: &'static [u8]) -> File {
    entry(path, file_type::REGULAR | 0o644, data)
}

fn symlink(path: &str, target: &'static [u8]) -> File {
    entry(path, file_type::SYMLINK | 0o777, target)
}

fn archive(files: &[File]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, data) in files {
        writer.entry(entry, *data).unwrap();
    }
    writer.finish().unwrap()
}

/// Extracts an EIF of these ramdisks into `out` of a new folder.
fn extract(ramdisks: &[&[u8]], wanted: RootFs) -> (TempDir, Result<LeftOut, Error>) {
    extract_within(ramdisks, wanted, &Limits::default())
}

fn extract_within(ramdisks: &[&[u8]], wanted: RootFs, limits: &Limits) -> (TempDir, Result<LeftOut, Error>) {
    let folder = tempdir().unwrap();
    let eif = folder.path().join("a.eif");
    fs::write(&eif, with_ramdisks(ramdisks, None)).unwrap();
    let result = eif_build::extract(&eif, &folder.path().join("out"), wanted, limits);
    (folder, result)
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Path, and type, mode, owner and content or target, of each entry.
fn listed(tar: &Path) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(fs::File::open(tar).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let link = entry
            .link_name_bytes()
            .map(|it| String::from_utf8_lossy(&it).into_owned());
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        let header = entry.header();
        let (kind, mode) = (header.entry_type(), header.mode().unwrap());
        let owner = format!("{}:{}", header.uid().unwrap(), header.gid().unwrap());
        (
            path,
            format!("{kind:?} {mode:o} {owner} {}{content}", link.unwrap_or_default()),
        )
    });
    entries.collect()
}

#[test]
fn sections_are_written_as_they_are() {
    let folder = tempdir().unwrap();
    let (eif, out) = (folder.path().join("a.eif"), folder.path().join("new/out"));
    fs::write(&eif, small(None)).unwrap();
    eif_build::extract(&eif, &out, RootFs::default(), &Limits::default()).unwrap();
    assert_eq!(
        names(&out),
        [
            "cmdline",
            "kernel",
            "metadata.json",
            "ramdisk0.cpio",
            "ramdisk1.cpio"
        ]
    );
    assert_eq!(fs::read(out.join("kernel")).unwrap(), [7; 300]);
    assert_eq!(fs::read(out.join("cmdline")).unwrap(), b"quiet");
    assert_eq!(fs::read(out.join("ramdisk1.cpio")).unwrap(), [9; 100]);
    let again = eif_build::extract(&eif, &out, RootFs::default(), &Limits::default()).unwrap_err();
    assert!(again.to_string().contains("not empty"), "{again}");
}

#[test]
fn nothing_appears_of_what_is_refused() {
    let folder = tempdir().unwrap();
    let (eif, out) = (folder.path().join("a.eif"), folder.path().join("out"));
    let mut damaged = small(None);
    damaged[600] ^= 1;
    fs::write(&eif, damaged).unwrap();
    assert!(eif_build::extract(&eif, &out, RootFs::default(), &Limits::default()).is_err());
    assert_eq!(names(folder.path()), ["a.eif"]);
    let (folder, result) = extract(&[b"no archive at all"], BOTH);
    assert!(
        result
            .unwrap_err()
            .to_string()
            .contains("ramdisk 0: neither a cpio archive")
    );
    assert_eq!(names(folder.path()), ["a.eif"]);
}

#[test]
fn the_root_file_system_is_written_for_anyone() {
    let linked = |path: &str, data: &'static [u8]| {
        let (entry, data) = file(path, data);
        (
            Entry {
                links: 2,
                inode: 77,
                ..entry
            },
            data,
        )
    };
    let device = (
        Entry {
            device: (5, 1),
            ..Entry::new("rootfs/dev/console", file_type::CHARACTER_DEVICE | 0o600, 9)
        },
        &b""[..],
    );
    let boot = archive(&[directory("dev"), file("init", b"agent")]);
    let application = archive(&[
        directory("rootfs"),
        entry("rootfs/closed", file_type::DIRECTORY, b""),
        file("rootfs/closed/inside", b"x"),
        directory("rootfs/dev"),
        device,
        linked("rootfs/first", b"content"),
        linked("rootfs/second", b""),
        entry("rootfs/su", file_type::REGULAR | 0o4711, b"su"),
        symlink("rootfs/link", b"/etc/passwd"),
    ]);
    let (folder, left_out) = extract(&[&boot, &application], BOTH);
    assert_eq!(
        left_out.unwrap(),
        LeftOut {
            devices: 1,
            set_id: 1
        }
    );
    let rootfs = folder.path().join("out/rootfs");
    assert_eq!(names(&rootfs), ["closed", "dev", "first", "link", "second", "su"]);
    assert_eq!(fs::read(rootfs.join("closed/inside")).unwrap(), b"x");
    assert_eq!(
        fs::read_link(rootfs.join("link")).unwrap(),
        Path::new("/etc/passwd")
    );
    let meta = |name: &str| fs::symlink_metadata(rootfs.join(name)).unwrap();
    assert_eq!(meta("first").ino(), meta("second").ino());
    assert_eq!(fs::read(rootfs.join("second")).unwrap(), b"content");
    assert_eq!(meta("su").permissions().mode() & 0o7777, 0o711);
    assert_eq!(meta("closed").permissions().mode() & 0o7777, 0o700);
    assert_eq!(
        meta("first").uid(),
        meta("dev").uid(),
        "all of it is the caller's"
    );

    let tar = listed(&folder.path().join("out/rootfs.tar"));
    assert_eq!(tar["su"], "Regular 4711 33:44 su");
    assert_eq!(tar["dev/console"], "Char 600 0:0 ");
    assert_eq!(tar["first"], "Regular 644 33:44 content");
    assert_eq!(tar["second"], "Link 644 33:44 first");
    assert_eq!(tar["link"], "Symlink 777 33:44 /etc/passwd");
    assert_eq!(tar["closed/"], "Directory 0 33:44 ");
}

#[test]
fn compressed_and_several_archives_are_read_as_linux_does() {
    let one = archive(&[directory("etc"), file("etc/a", b"first"), file("etc/b", b"b")]);
    let two = archive(&[file("etc/a", b"second")]);
    // The second archive in one member with zeros before it, the third compressed in another way.
    let three = archive(&[file("c", b"c")]);
    let ramdisk = [
        gzip(&[&one[..], &[0; 512], &two].concat()),
        vec![0; 7],
        zstd(&three),
        three.clone(),
    ]
    .concat();
    let (folder, result) = extract(&[&ramdisk], BOTH);
    result.unwrap();
    let rootfs = folder.path().join("out/rootfs");
    assert_eq!(names(&rootfs), ["c", "etc"]);
    assert_eq!(fs::read(rootfs.join("etc/a")).unwrap(), b"second");
}

#[test]
fn a_file_whose_data_come_with_its_last_name_is_whole_under_each() {
    let linked = |path: &str, data: &'static [u8]| {
        let (entry, data) = file(path, data);
        (
            Entry {
                links: 3,
                inode: 5,
                ..entry
            },
            data,
        )
    };
    let ramdisk = archive(&[linked("a", b""), linked("b", b""), linked("c", b"data")]);
    // Another archive's file of the same number is another file.
    let other = archive(&[linked("d", b"other")]);
    let (folder, result) = extract(&[&[ramdisk, other].concat()], BOTH);
    result.unwrap();
    for (name, data) in [("a", "data"), ("b", "data"), ("c", "data"), ("d", "other")] {
        let path = folder.path().join("out/rootfs").join(name);
        assert_eq!(fs::read_to_string(path).unwrap(), data, "{name}");
    }
}

#[test]
fn hostile_paths_do_not_escape() {
    let problem = |files: &[File]| {
        let (folder, result) = extract(&[&archive(files)], BOTH);
        assert_eq!(names(folder.path()), ["a.eif"], "nothing was written");
        match result {
            Err(Error::Rootfs(rootfs::Error::Entry { problem, .. })) => problem,
            other => panic!("not refused as an entry: {other:?}"),
        }
    };
    assert_eq!(problem(&[file("../x", b"")]), Problem::Escape);
    assert_eq!(problem(&[file("a/../../x", b"")]), Problem::Escape);
    assert_eq!(problem(&[file("/../x", b"")]), Problem::Escape);
    assert_eq!(
        problem(&[symlink("e", b"../.."), file("e/x", b"")]),
        Problem::Escape
    );
    assert_eq!(
        problem(&[symlink("a", b"b"), symlink("b", b"a"), file("a/x", b"")]),
        Problem::LinkLoop
    );
    assert_eq!(
        problem(&[file("a", b""), file("a/x", b"")]),
        Problem::NotADirectory
    );
    assert_eq!(problem(&[symlink(".", b"/")]), Problem::NotADirectory);
    assert_eq!(problem(&[entry("s", file_type::MASK, b"")]), Problem::Type);

    // What Linux would put within its root stays within the folder.
    let (folder, result) = extract(
        &[&archive(&[
            directory("dir"),
            symlink("out", b"/dir"),
            file("out/x", b"inside"),
            file("/absolute", b"inside"),
            symlink("abs", b"/"),
            file("abs/y", b"inside"),
            symlink("gone", b"/nowhere"),
            file("gone/z", b"inside"),
        ])],
        BOTH,
    );
    result.unwrap();
    let rootfs = folder.path().join("out/rootfs");
    for name in ["dir/x", "absolute", "y", "nowhere/z"] {
        assert_eq!(fs::read(rootfs.join(name)).unwrap(), b"inside", "{name}");
    }
    assert!(!Path::new("/absolute").exists() && !Path::new("/nowhere").exists());
}

#[test]
fn a_link_that_takes_a_directorys_place_is_not_followed() {
    let (folder, result) = extract(
        &[
            &archive(&[directory("d"), file("d/old", b"old")]),
            &archive(&[symlink("d", b"/tmp"), directory("e")]),
        ],
        BOTH,
    );
    result.unwrap();
    let rootfs = folder.path().join("out/rootfs");
    assert_eq!(fs::read_link(rootfs.join("d")).unwrap(), Path::new("/tmp"));
    assert_eq!(names(&rootfs), ["d", "e"]);
}

#[test]
fn names_that_are_not_utf_8_are_kept() {
    let odd = (
        Entry {
            path: b"n\xff\n".to_vec(),
            size: 1,
            ..Entry::new("", file_type::REGULAR | 0o644, 1)
        },
        &b"x"[..],
    );
    let (folder, result) = extract(&[&archive(&[odd])], BOTH);
    result.unwrap();
    let rootfs = fs::read_dir(folder.path().join("out/rootfs")).unwrap();
    let name = rootfs.map(|entry| entry.unwrap().file_name()).next().unwrap();
    assert_eq!(
        std::os::unix::ffi::OsStrExt::as_bytes(name.as_os_str()),
        b"n\xff\n"
    );
}

#[test]
fn names_and_targets_are_archived_byte_for_byte() {
    let named = |path: Vec<u8>| {
        let (entry, data) = file("", b"x");
        (Entry { path, ..entry }, data)
    };
    let long_name = [b"\xff".repeat(150), b"/".to_vec(), b"n".repeat(101)].concat();
    let targets = [&b"a//b/../c/./d/"[..], b"/", b"./x", b"y/".repeat(100).leak()];
    let mut files = vec![
        named(b"\xff".repeat(100)),
        named(b"\xff".repeat(101)),
        named(long_name.clone()),
    ];
    let links = ["l0", "l1", "l2", "l3"].into_iter().zip(targets);
    files.extend(links.clone().map(|(name, target)| symlink(name, target)));
    let (folder, result) = extract(&[&archive(&files)], BOTH);
    result.unwrap();

    let tar = fs::File::open(folder.path().join("out/rootfs.tar")).unwrap();
    let mut tar = tar::Archive::new(tar);
    let found: BTreeMap<Vec<u8>, Vec<u8>> = tar
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let mut value = entry.link_name_bytes().map_or(Vec::new(), |it| it.into_owned());
            entry.read_to_end(&mut value).unwrap();
            (entry.path_bytes().into_owned(), value)
        })
        .collect();
    for name in [b"\xff".repeat(100), b"\xff".repeat(101), long_name] {
        assert_eq!(found[&name], b"x", "{name:?}");
    }
    for (name, target) in links {
        assert_eq!(found[name.as_bytes()], target, "{name}");
    }
}

#[test]
fn what_a_ramdisk_only_claims_is_refused_by_name() {
    let (entry, data) = file("a\u{1b}", b"1");
    let mut ramdisk = archive(&[(entry, data)]);
    // The size, the seventh field of eight digits behind the magic of six.
    ramdisk[54..62].copy_from_slice(b"FFFFFFFF");
    for ramdisk in [ramdisk.clone(), gzip(&ramdisk)] {
        let (_, result) = extract(&[&archive(&[]), &ramdisk], BOTH);
        let error = result.unwrap_err();
        assert!(error.is_refusal(), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("a.eif: ") && text.contains("ramdisk 1: \"a\u{fffd}\": "),
            "{text}"
        );
    }
}

#[test]
fn what_is_compressed_is_counted_over_all_of_it() {
    let limits = Limits {
        total_bytes: 100_000,
        ..Limits::default()
    };
    let zeros = gzip(&[0; 60_000]);
    let file = gzip(&archive(&[file("a", b"")]));
    let one = [&file[..], &zeros].concat();
    assert!(extract_within(&[&one], BOTH, &limits).1.is_ok());
    let result = extract_within(&[&[&one[..], &zeros].concat()], BOTH, &limits).1;
    assert!(
        result
            .unwrap_err()
            .to_string()
            .contains("more bytes than are allowed")
    );
}

#[test]
fn links_that_multiply_the_steps_of_every_path_are_refused() {
    let chain = (0..39).map(|number| {
        let target = format!("{}l{}", "d/../".repeat(790), number + 1);
        symlink(&format!("l{number}"), target.into_bytes().leak())
    });
    let files = (0..1_000).map(|number| file(&format!("l0/{number}"), b""));
    let all: Vec<_> = [directory("d"), directory("l39")]
        .into_iter()
        .chain(chain)
        .chain(files)
        .collect();
    let (_, result) = extract(&[&archive(&all)], BOTH);
    let error = result.unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Rootfs(rootfs::Error::Entry {
                problem: Problem::Steps,
                ..
            })
        ),
        "{error}"
    );
}

#[test]
fn ramdisks_that_unpack_to_too_much_are_refused() {
    let limits = Limits {
        total_bytes: 100_000,
        entries: 10,
        ..Limits::default()
    };
    let big = vec![0u8; 200_000].leak();
    let bomb = archive(&[file("zeros", big)]);
    for ramdisk in [bomb.clone(), gzip(&bomb), zstd(&bomb)] {
        let (folder, result) = extract_within(&[&ramdisk], BOTH, &limits);
        assert!(result.unwrap_err().is_refusal());
        assert_eq!(names(folder.path()), ["a.eif"]);
    }
    let zeros = [archive(&[file("a", b"")]), vec![0; 200_000]].concat();
    let (_, result) = extract_within(&[&gzip(&zeros)], BOTH, &limits);
    assert!(
        result
            .unwrap_err()
            .to_string()
            .contains("more bytes than are allowed")
    );
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];
    let many: Vec<File> = names.iter().map(|name| file(name, b"")).collect();
    let (_, result) = extract_within(&[&archive(&many)], BOTH, &limits);
    assert!(result.unwrap_err().to_string().contains("more entries"));
    let deep = "d/".repeat(60) + "f";
    let (_, result) = extract_within(&[&archive(&[file(&deep, b""), file("g", b"")])], BOTH, &limits);
    assert!(
        result.unwrap_err().to_string().contains("more than 10 entries"),
        "implied directories count"
    );
}
