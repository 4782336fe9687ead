//! A bundle in one file, to be carried to another store: a tar archive of its parts, in their order.
use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use tar::{Archive, Builder, EntryType, Header};

use super::{Bundle, Error};
use crate::output::write_whole;

/// What tar pads an archive to, in bytes.
const RECORD: u64 = 10_240;

/// Writes a bundle to `output`, which appears whole or not at all.
pub(super) fn write(bundle: &Bundle, output: &Path) -> Result<(), Error> {
    write_whole(output, |file| {
        let mut archive = Builder::new(file);
        let mut append = || {
            for (name, bytes) in bundle.parts() {
                let mut header = Header::new_ustar();
                header.set_entry_type(EntryType::Regular);
                header.set_mode(0o644);
                header.set_uid(0);
                header.set_gid(0);
                header.set_mtime(0);
                header.set_size(bytes.len() as u64);
                archive.append_data(&mut header, name, &bytes[..])?;
            }
            archive.finish()
        };
        append().map_err(|source| Error::File {
            path: output.into(),
            source,
        })
    })
}

/// Reads a bundle and checks every part of it. The archive holds nothing else.
pub(super) fn read(path: &Path) -> Result<Bundle, Error> {
    let failed = |source| Error::File {
        path: path.into(),
        source,
    };
    let refuse = |problem: String| Error::Archive {
        path: path.into(),
        problem,
    };
    // What the system did not say is wrong with the archive itself.
    let broken = |error: io::Error| match error.raw_os_error() {
        Some(_) => failed(error),
        None => refuse(error.to_string()),
    };
    let mut archive = Archive::new(BufReader::new(File::open(path).map_err(failed)?));
    // Raw: an extension would be read into memory, however large.
    let mut entries = archive.entries().map_err(broken)?.raw(true);
    let bundle = Bundle::from_parts(|name, limit| {
        let missing = || refuse(format!("{name} is missing or not in its place"));
        let mut entry = entries.next().ok_or_else(missing)?.map_err(broken)?;
        let header = entry.header();
        if header.entry_type() != EntryType::Regular || *header.path_bytes() != *name.as_bytes() {
            return Err(missing());
        }
        let size = header.entry_size().map_err(broken)?;
        if size > limit {
            return Err(refuse(format!(
                "{name} has {size} bytes; at most {limit} are possible"
            )));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken)?;
        Ok((bytes, path.join(name)))
    })?;
    let more = entries.next().is_some();
    let mut rest = Vec::new();
    let mut behind = archive.into_inner().take(RECORD + 1);
    behind.read_to_end(&mut rest).map_err(failed)?;
    if more || rest.len() as u64 > RECORD || rest.iter().any(|byte| *byte != 0) {
        return Err(refuse("something follows the bundle's parts".into()));
    }
    Ok(bundle)
}
