//! Archives: what is written is read, here and by others.
use super::*;
use proptest::prelude::*;

fn write(entries: &[(Entry, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, data) in entries {
        writer.entry(entry, &data[..]).unwrap();
    }
    writer.finish().unwrap()
}

fn read(archive: &[u8]) -> io::Result<Vec<(Entry, Vec<u8>)>> {
    let mut reader = Reader::new(archive);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut data = Vec::new();
        if entries.len() % 3 != 2 {
            reader.copy_data(&mut data)?;
        }
        entries.push((entry, data));
    }
    Ok(entries)
}

#[test]
fn writes_what_the_cpio_program_reads() {
    let Ok(mut cpio) = std::process::Command::new("cpio")
        .args(["-itv", "--quiet", "--numeric-uid-gid"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
    else {
        eprintln!("skipped: the program cpio is not installed");
        return;
    };
    let mut file = Entry {
        size: 5,
        uid: 7,
        ..Entry::new("a/b", file_type::REGULAR | 0o644, 2)
    };
    file.links = 2;
    let link = Entry {
        size: 0,
        path: b"a/c".to_vec(),
        ..file.clone()
    };
    let console = Entry {
        device: (5, 1),
        ..Entry::new("console", file_type::CHARACTER_DEVICE | 0o600, 3)
    };
    let archive = write(&[
        (Entry::new("a", file_type::DIRECTORY | 0o755, 1), vec![]),
        (file, b"hello".to_vec()),
        (link, vec![]),
        (console, vec![]),
    ]);
    assert_eq!(archive.len() % 512, 0);
    cpio.stdin.take().unwrap().write_all(&archive).unwrap();
    let listing = String::from_utf8(cpio.wait_with_output().unwrap().stdout).unwrap();
    for expected in ["drwxr-xr-x", "-rw-r--r--", "5,   1", "a/c"] {
        assert!(listing.contains(expected), "{expected} in {listing}");
    }
}

#[test]
fn refuses_what_ends_early_or_is_something_else() {
    let archive = write(&[(
        Entry {
            size: 3,
            ..Entry::new("x", file_type::REGULAR, 1)
        },
        b"abc".to_vec(),
    )]);
    assert!(read(&archive).is_ok());
    for length in [0, 50, 110, 113, 120] {
        assert!(read(&archive[..length]).is_err(), "{length}");
    }
    let mut other = archive.clone();
    other[5] = b'2';
    assert!(read(&other).is_err());
    let mut long = archive;
    long[94..102].copy_from_slice(b"FFFFFFFF");
    assert!(read(&long).is_err());
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(files in prop::collection::vec(
        ("[a-z/]{1,200}", prop::collection::vec(any::<u8>(), 0..300), any::<[u32; 10]>()), 0..20)
    ) {
        let entries: Vec<_> = files.into_iter().map(|(path, data, [mode, uid, gid, inode, links, major, minor, mtime, on_major, on_minor])| {
            (Entry { path: path.into_bytes(), mode, uid, gid, inode, links, mtime, filesystem: (on_major, on_minor), device: (major, minor), size: data.len() as u32 }, data)
        }).collect();
        let archive = write(&entries);
        let archived = entries.iter().map(|(entry, _)| entry.archived_size()).sum();
        prop_assert_eq!(archive.len() as u64, archive_size(archived));
        let found = read(&archive).unwrap();
        prop_assert_eq!(found.len(), entries.len());
        for (number, (found, expected)) in found.iter().zip(&entries).enumerate() {
            prop_assert_eq!(&found.0, &expected.0);
            prop_assert!(number % 3 == 2 || found.1 == expected.1);
        }
    }

    #[test]
    fn hostile_bytes_are_an_error_at_worst(mut archive in prop::collection::vec(any::<u8>(), 0..600), valid in any::<bool>()) {
        if valid {
            let start = write(&[(Entry::new("x", 0, 1), vec![])]);
            archive.splice(..0, start[..116].iter().copied());
        }
        let _ = read(&archive);
    }
}
