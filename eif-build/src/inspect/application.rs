//! Whether an application's ramdisk is of this builder's making, and nothing else.
//!
//! Linux unpacks the ramdisks of an EIF one over the other. One that brought an `/init`, a module, a link out of its own
//! folder, a second description, or a second archive behind its end would replace the agent that PCR1 vouches for. So
//! all of it is read: two entries of ours, and then names strictly below `rootfs`.
use std::{
    collections::BTreeSet,
    io::{self, BufRead, BufReader, Read},
};

use contract::image::{self, ImageDescription};

use crate::{
    cpio::{self, Entry, file_type},
    error::Error,
    rootfs::{Limits, MAX_ZSTD_WINDOW_LOG},
};

/// The folder of our own, and the folder of the image's files.
const OURS: &[u8] = b"treza";
const THEIRS: &[u8] = b"rootfs";
/// How much is read at once, in bytes.
const BUFFER: usize = 1 << 17;
/// How a frame of zstd begins (RFC 8878, 3.1.1).
const ZSTD: u8 = 0x28;
/// The most bytes of all names: as many as an image's own may have.
const MAX_NAMES: u64 = 256 << 20;

/// The description in `ramdisk`, if all of the ramdisk has the shape that this builder writes, plain or compressed.
pub(super) fn describe(ramdisk: impl Read) -> Result<Option<ImageDescription>, Error> {
    let mut ramdisk = BufReader::with_capacity(BUFFER, ramdisk);
    let json = match ramdisk.fill_buf() {
        Ok([ZSTD, ..]) => compressed(&mut ramdisk),
        _ => ours(&mut ramdisk),
    };
    match json {
        Ok(Some(json)) if only_zeros(ramdisk) => Ok(Some(ImageDescription::parse(&json)?)),
        _ => Ok(None),
    }
}

/// The description in a frame of zstd.
fn compressed(ramdisk: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut decoder = zstd::Decoder::with_buffer(ramdisk)?.single_frame();
    decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
    // The decoder fails where it is asked for no bytes; a buffer never asks it.
    let mut plain = BufReader::with_capacity(BUFFER, decoder).take(Limits::default().total_bytes);
    let json = ours(&mut plain)?;
    // What was cut off at the limit was not looked at.
    Ok(json.filter(|_| plain.limit() > 0))
}

/// The description in an archive that is ours from its beginning to its end.
fn ours(archive: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut archive = cpio::Reader::new(archive);
    let Some(json) = description(&mut archive)? else {
        return Ok(None);
    };
    let whole = only_files_below(&mut archive)? && only_zeros(archive.into_inner());
    Ok(whole.then_some(json))
}

fn description(archive: &mut cpio::Reader<impl Read>) -> io::Result<Option<Vec<u8>>> {
    if !archive
        .next_entry()?
        .is_some_and(|folder| folder.path == OURS && is_directory(&folder))
    {
        return Ok(None);
    }
    let Some(file) = archive.next_entry()? else {
        return Ok(None);
    };
    let is_file = file.mode & file_type::MASK == file_type::REGULAR;
    if file.path != image::PATH.as_bytes() || !is_file || file.size as usize > image::MAX_BYTES {
        return Ok(None);
    }
    let mut json = Vec::new();
    archive.copy_data(&mut json)?;
    Ok(Some(json))
}

/// Whether what is left of the archive is `rootfs`, a directory, and clean names in directories that came before.
fn only_files_below(archive: &mut cpio::Reader<impl Read>) -> io::Result<bool> {
    if !archive
        .next_entry()?
        .is_some_and(|folder| folder.path == THEIRS && is_directory(&folder))
    {
        return Ok(false);
    }
    let mut directories = BTreeSet::from([THEIRS.to_vec()]);
    let mut last = THEIRS.to_vec();
    let mut names = 0;
    while let Some(entry) = archive.next_entry()? {
        names += entry.path.len() as u64;
        // The builder writes names in ascending order: none comes twice.
        if names > MAX_NAMES || entry.path <= last || !is_below(&entry.path, &directories) {
            return Ok(false);
        }
        if is_directory(&entry) {
            directories.insert(entry.path.clone());
        }
        last = entry.path;
    }
    Ok(true)
}

fn is_below(path: &[u8], directories: &BTreeSet<Vec<u8>>) -> bool {
    let Some(slash) = path.iter().rposition(|&byte| byte == b'/') else {
        return false;
    };
    let (parent, name) = (
        path.get(..slash).unwrap_or_default(),
        path.get(slash + 1..).unwrap_or_default(),
    );
    !matches!(name, b"" | b"." | b"..") && directories.contains(parent)
}

fn is_directory(entry: &Entry) -> bool {
    entry.mode & file_type::MASK == file_type::DIRECTORY
}

/// Whether nothing but padding follows the archive's end: Linux would unpack another archive there.
fn only_zeros(mut rest: impl Read) -> bool {
    let mut chunk = [0; 4096];
    loop {
        match rest.read(&mut chunk) {
            Ok(0) => return true,
            Ok(read) if chunk.iter().take(read).all(|&byte| byte == 0) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCRIPTION: &str = r#"{"format":"treza/image/1"}"#;

    fn directory(path: &str) -> (Entry, &'static str) {
        (Entry::new(path, file_type::DIRECTORY | 0o755, 1), "")
    }

    fn file(path: &str, data: &'static str) -> (Entry, &'static str) {
        let size = data.len() as u32;
        (
            Entry {
                size,
                ..Entry::new(path, file_type::REGULAR | 0o755, 2)
            },
            data,
        )
    }

    fn link(path: &str, target: &'static str) -> (Entry, &'static str) {
        let (entry, data) = file(path, target);
        (
            Entry {
                mode: file_type::SYMLINK | 0o777,
                ..entry
            },
            data,
        )
    }

    fn archive(entries: &[(Entry, &str)]) -> Vec<u8> {
        let mut writer = cpio::Writer::new(Vec::new());
        for (entry, data) in entries {
            writer.entry(entry, data.as_bytes()).unwrap();
        }
        writer.finish().unwrap()
    }

    /// Whether the description is reached at all; that it is sound itself is not tested here.
    fn is_ours(ramdisk: &[u8]) -> bool {
        !matches!(describe(ramdisk), Ok(None))
    }

    #[test]
    fn what_could_replace_the_agent_is_not_ours() {
        let ours = [
            directory("treza"),
            file(image::PATH, DESCRIPTION),
            directory("rootfs"),
            directory("rootfs/etc"),
            file("rootfs/etc/passwd", "x"),
        ];
        let with = |more: &[(Entry, &'static str)]| archive(&[&ours[..], more].concat());
        assert!(is_ours(&with(&[])));
        assert!(
            is_ours(&with(&[link("rootfs/etc/x", "/")])),
            "a link within rootfs is the image's own affair"
        );
        assert!(!is_ours(&with(&[file("init", "#!")])));
        assert!(!is_ours(&with(&[file("/init", "#!")])));
        assert!(!is_ours(&with(&[file("rootfs/../init", "#!")])));
        assert!(!is_ours(&with(&[file("rootfs/etc/../../init", "#!")])));
        assert!(!is_ours(&with(&[file("treza/modules/00-x.ko", "x")])));
        assert!(!is_ours(&with(&[file(image::PATH, DESCRIPTION)])));
        assert!(!is_ours(&with(&[
            link("rootfs/x", "/"),
            file("rootfs/x/init", "#!")
        ])));
        assert!(!is_ours(&with(&[file("rootfs/etc/passwd", "twice")])));
        assert!(!is_ours(&archive(&[
            directory("treza"),
            file(image::PATH, DESCRIPTION),
            link("rootfs", "/")
        ])));
        assert!(!is_ours(&archive(&[
            link("treza", "/"),
            file(image::PATH, DESCRIPTION),
            directory("rootfs")
        ])));
        let behind = [with(&[]), archive(&[file("init", "#!")])].concat();
        assert!(!is_ours(&behind), "a second archive behind the first");
        assert!(is_ours(&[with(&[]), vec![0; 512]].concat()));

        // Compressed, all of it is looked at as well, and what follows.
        let packed = |plain: &[u8]| zstd::encode_all(plain, 3).unwrap();
        assert!(is_ours(&packed(&with(&[]))));
        assert!(is_ours(&[packed(&with(&[])), vec![0; 3]].concat()));
        assert!(!is_ours(&packed(&with(&[file("init", "#!")]))));
        assert!(!is_ours(&packed(&behind)));
        assert!(!is_ours(&packed(&packed(&with(&[])))));
        let second = archive(&[file("init", "#!")]);
        assert!(
            !is_ours(&[packed(&with(&[])), packed(&second)].concat()),
            "a second frame"
        );
        assert!(
            !is_ours(&[packed(&with(&[])), second].concat()),
            "an archive behind the frame"
        );
        let frame = packed(&with(&[]));
        assert!(!is_ours(&frame[..frame.len() - 1]), "cut off");
    }
}
