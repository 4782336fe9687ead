//! Files that claim what is not so: every field of the header and of a section's header at its bounds and beyond.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod common;

use common::eif::{METADATA, Raw, by_hand, open, seal, small, sound};
use eif_build::eif::{Error, SectionKind, Writer};

/// A sound file in which bytes were replaced, its CRC made to fit.
fn with(at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = by_hand(&sound());
    bytes[at..at + value.len()].copy_from_slice(value);
    seal(&mut bytes);
    bytes
}

fn refused(what: &str, bytes: &[u8], message: &str) {
    match open(bytes) {
        Err(error @ (Error::Malformed(_) | Error::Table { .. })) => {
            assert!(error.to_string().contains(message), "{what}: {error}");
        }
        other => panic!("{what}: not refused for its structure: {other:?}"),
    }
}

#[test]
fn what_is_made_by_hand_is_sound() {
    let mut eif = open(&by_hand(&sound())).map(|eif| eif.sections().len()).unwrap();
    assert_eq!(eif, 4);
    eif = open(&with(8, &[0xff; 16]))
        .map(|mut eif| {
            eif.check().unwrap().intact().unwrap();
            eif.sections().len()
        })
        .unwrap();
    assert_eq!(
        eif, 4,
        "the hypervisor reads neither memory nor CPUs, and any value is kept"
    );
}

#[test]
fn every_field_of_the_header_is_held_to_its_bounds() {
    for magic in [*b"\0eif", *b".EIF", *b".eig"] {
        refused("magic", &with(0, &magic), "does not begin with .eif");
    }
    for version in [0u16, 3, 5, u16::MAX] {
        refused("version", &with(4, &version.to_be_bytes()), "only 4 is read");
    }
    assert!(open(&with(6, &[0, 1])).unwrap().is_arm64());
    for flags in [2u16, 3, 0x8000, u16::MAX] {
        refused("flags", &with(6, &flags.to_be_bytes()), "reserved field");
    }
    refused("reserved", &with(24, &[0, 1]), "reserved field");
    refused("reserved", &with(25, &[0xff]), "reserved field");
    refused("reserved at the end", &with(540, &[0, 0, 0, 1]), "reserved field");
    for count in [0u16, 1, 33, 256, u16::MAX] {
        refused(
            "section count",
            &with(26, &count.to_be_bytes()),
            "2 to 32 are possible",
        );
    }
    refused(
        "fewer sections",
        &with(26, &[0, 3]),
        "entries after its last section",
    );
    refused("more sections", &with(26, &[0, 5]), "table says it begins at 0");
    for unused in [28 + 8 * 4, 28 + 8 * 31, 284 + 8 * 4, 284 + 8 * 31] {
        refused(
            "an unused entry",
            &with(unused + 7, &[1]),
            "entries after its last section",
        );
    }
}

#[test]
fn offsets_and_sizes_of_the_table_are_those_of_the_walk() {
    let original = by_hand(&sound());
    for section in 0..4 {
        let (offset_at, size_at) = (28 + 8 * section, 284 + 8 * section);
        let field = |at: usize| u64::from_be_bytes(original[at..at + 8].try_into().unwrap());
        let (offset, size) = (field(offset_at), field(size_at));
        let neighbour = field(28 + 8 * ((section + 1) % 4));
        for value in [
            0,
            1,
            offset - 1,
            offset + 1,
            neighbour,
            u64::MAX,
            u64::MAX - 11,
            1 << 63,
        ] {
            refused(
                "an offset",
                &with(offset_at, &value.to_be_bytes()),
                "walking finds it at",
            );
        }
        for value in [0, size - 1, size + 1, u64::MAX, u64::MAX - offset, 1 << 63] {
            refused(
                "a size in the table",
                &with(size_at, &value.to_be_bytes()),
                "its own header",
            );
            let own = offset as usize + 4;
            refused(
                "a size of a section",
                &with(own, &value.to_be_bytes()),
                "its own header",
            );
            if value > size {
                let mut both = with(size_at, &value.to_be_bytes());
                both[own..own + 8].copy_from_slice(&value.to_be_bytes());
                seal(&mut both);
                let found = open(&both).unwrap_err();
                assert!(
                    matches!(found, Error::Malformed(_) | Error::Table { .. }),
                    "section {section} of {value} bytes: {found}"
                );
            }
        }
    }
}

#[test]
fn a_size_that_exceeds_the_file_or_overflows_is_refused() {
    // The last section, a ramdisk of 20 bytes, whose size nothing but the file's end bounds.
    let (table, own) = (284 + 8 * 3, by_hand(&sound()).len() - 20 - 8);
    for size in [
        21,
        1 << 20,
        1 << 40,
        i64::MAX as u64,
        u64::MAX - 12,
        u64::MAX - 11,
        u64::MAX,
    ] {
        let mut bytes = with(table, &size.to_be_bytes());
        bytes[own..own + 8].copy_from_slice(&size.to_be_bytes());
        seal(&mut bytes);
        refused("a claim", &bytes, "more than the file has");
    }
    for (size, message) in [(19u64, "1 bytes follow"), (0, "20 bytes follow")] {
        let mut bytes = with(table, &size.to_be_bytes());
        bytes[own..own + 8].copy_from_slice(&size.to_be_bytes());
        refused("less than there is", &bytes, message);
    }
    let whole = by_hand(&sound());
    for length in (0..whole.len()).step_by(11) {
        assert!(open(&whole[..length]).is_err(), "{length} bytes");
    }
    refused(
        "a byte behind the end",
        &[&whole[..], &[0]].concat(),
        "bytes follow its last section",
    );
}

#[test]
fn every_field_of_a_sections_header_is_held_to_its_bounds() {
    for section in 0..4 {
        for kind in [0u16, 6, 256, u16::MAX] {
            let mut sections = sound();
            sections[section].0 = kind;
            refused("type", &by_hand(&sections), "unknown type");
        }
        for flags in [1u16, 0x8000] {
            let mut sections = sound();
            sections[section].1 = flags;
            refused("flags", &by_hand(&sections), "flags");
        }
    }
}

#[test]
fn sections_of_a_bounded_kind_are_not_larger() {
    let of = |kind: u16, data: Vec<u8>| -> Vec<u8> {
        let mut sections: Vec<Raw> = sound().into_iter().filter(|section| section.0 != kind).collect();
        let at = if kind == 2 { 1 } else { sections.len() };
        sections.insert(at, (kind, 0, data));
        by_hand(&sections)
    };
    assert!(open(&of(2, vec![b'a'; 65_536])).is_ok());
    refused(
        "cmdline",
        &of(2, vec![b'a'; 65_537]),
        "65537 bytes are too many; at most 65536",
    );
    assert!(open(&of(4, vec![0; 32_768])).is_ok());
    refused(
        "signature",
        &of(4, vec![0; 32_769]),
        "32769 bytes are too many; at most 32768",
    );
    assert!(open(&of(5, vec![b' '; 1 << 20])).is_ok());
    refused(
        "metadata",
        &of(5, vec![b' '; (1 << 20) + 1]),
        "too many; at most 1048576",
    );
    for kind in [1, 3] {
        let sections: Vec<Raw> = sound()
            .into_iter()
            .map(|(it, flags, data)| (it, flags, if it == kind { vec![] } else { data }))
            .collect();
        assert!(
            open(&by_hand(&sections)).is_ok(),
            "an empty {kind} is as small as it may be"
        );
    }
}

#[test]
fn kinds_are_there_once_and_in_their_order() {
    let ramdisk = || (3, 0, vec![1]);
    let refuse = |change: fn(&mut Vec<Raw>), message: &str| {
        let mut sections = sound();
        change(&mut sections);
        refused(message, &by_hand(&sections), message);
    };
    refuse(|sections| sections.push((1, 0, vec![])), "2 Kernel sections");
    refuse(|sections| sections.push((2, 0, vec![])), "2 Cmdline sections");
    refuse(
        |sections| sections.push((5, 0, METADATA.to_vec())),
        "2 Metadata sections",
    );
    refuse(
        |sections| sections.extend([(4, 0, vec![]), (4, 0, vec![])]),
        "at most one signature",
    );
    refuse(|sections| drop(sections.remove(0)), "0 Kernel sections");
    refuse(|sections| drop(sections.remove(1)), "0 Cmdline sections");
    refuse(|sections| drop(sections.remove(2)), "0 Metadata sections");
    refuse(|sections| drop(sections.remove(3)), "needs a ramdisk");
    refuse(|sections| sections.swap(0, 3), "not in this order");
    refuse(|sections| sections.swap(0, 1), "not in this order");
    let most: Vec<Raw> = sound().into_iter().chain((0..28).map(|_| ramdisk())).collect();
    assert_eq!(open(&by_hand(&most)).unwrap().sections().len(), 32);
    let more: Vec<Raw> = most.into_iter().chain([ramdisk()]).collect();
    refused("33 sections", &by_hand(&more), "it claims 33 sections");
}

#[test]
fn what_is_not_text_or_json_is_refused_where_it_is_read() {
    let mut sections = sound();
    sections[1].2 = vec![0xff, 0xfe];
    let bytes = by_hand(&sections);
    assert!(open(&bytes).unwrap().cmdline().is_err());
    for metadata in [
        &b""[..],
        b"{",
        b"[]",
        b"{\"ImageName\":1}",
        &[0xff; 9],
        &b"[".repeat(1 << 20)[..],
    ] {
        let mut sections = sound();
        sections[2].2 = metadata.to_vec();
        let bytes = by_hand(&sections);
        let error = open(&bytes).unwrap().metadata().unwrap_err();
        assert!(matches!(error, Error::Malformed(_)), "{error}");
    }
}

#[test]
fn what_the_format_does_not_hold_is_not_written() {
    let mut writer = Writer::new(std::io::empty(), false).unwrap();
    for _ in 0..32 {
        writer.section(SectionKind::Ramdisk, b"").unwrap();
    }
    let error = writer.section(SectionKind::Ramdisk, b"").unwrap_err();
    assert!(error.to_string().contains("more than 32 sections"), "{error}");
    assert!(small(None).len() > 548);
}
