//! An EIF taken apart: its sections, and the file system that its ramdisks make.
mod directory;
mod tarball;
mod tree;

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

use crate::{
    eif::{self, Eif, SectionKind},
    error::Error,
    rootfs::{Limits, Tree},
};

/// What is written of the root file system besides the sections.
#[derive(Debug, Clone, Copy, Default)]
pub struct RootFs {
    /// A folder `rootfs`: files, directories and links, all the caller's own. Set-id bits and devices are left out.
    pub directory: bool,
    /// A tar archive `rootfs.tar`: everything, with owners, modes and devices.
    pub tar: bool,
}

/// What was left out of the folder `rootfs`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Devices and named pipes, which only root may make.
    pub devices: usize,
    /// Files whose set-id bits were not kept: they would be the caller's own programs for everyone.
    pub set_id: usize,
}

/// Takes an EIF apart into `output`, a folder that does not exist or is empty and appears whole or not at all: `kernel`,
/// `cmdline`, `metadata.json`, `ramdisk0.cpio` and so on, `signature.cbor`, and of the root file system what is asked for.
///
/// The root file system is the image's, which this builder and nitro-cli put below `rootfs`; of an EIF without such a
/// folder it is all that the ramdisks hold.
pub fn extract(path: &Path, output: &Path, wanted: RootFs, limits: &Limits) -> Result<LeftOut, Error> {
    let at_output = |source| Error::File {
        path: output.into(),
        source,
    };
    let parent = output
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(at_output)?;
    if output.exists() && fs::read_dir(output).map_err(at_output)?.next().is_some() {
        return Err(at_output(io::Error::other("it is not empty; name a new folder")));
    }
    let folder = tempfile::Builder::new()
        .prefix(".treza-eif-")
        .tempdir_in(parent)
        .map_err(at_output)?;
    sections(path, folder.path())?;
    let mut left_out = LeftOut::default();
    if wanted.directory || wanted.tar {
        let whole = tree::unpack(path, parent, limits)?;
        let root = tree::root(&whole);
        if wanted.directory {
            left_out = directory::write(&whole, root, &folder.path().join("rootfs")).map_err(at_output)?;
        }
        if wanted.tar {
            tarball::write(&whole, root, &folder.path().join("rootfs.tar")).map_err(at_output)?;
        }
    }
    // What stands there is at most an empty folder.
    fs::rename(folder.path(), output).map_err(at_output)?;
    Ok(left_out)
}

/// Writes each section into a file of `folder`. A damaged EIF is refused.
fn sections(path: &Path, folder: &Path) -> Result<(), Error> {
    let failed = |source| Error::Eif {
        path: path.into(),
        source,
    };
    let mut eif = Eif::open(path).map_err(failed)?;
    let mut ramdisks = 0;
    let mut file: Option<BufWriter<File>> = None;
    let crc = eif.pass(|section, data| {
        match (data, &mut file) {
            (Some(data), Some(file)) => file.write_all(data)?,
            _ => {
                let name = match section.kind {
                    SectionKind::Kernel => "kernel".to_owned(),
                    SectionKind::Cmdline => "cmdline".to_owned(),
                    SectionKind::Metadata => "metadata.json".to_owned(),
                    SectionKind::Signature => "signature.cbor".to_owned(),
                    SectionKind::Ramdisk => {
                        ramdisks += 1;
                        format!("ramdisk{}.cpio", ramdisks - 1)
                    }
                };
                if let Some(mut done) = file.replace(BufWriter::new(File::create_new(folder.join(name))?)) {
                    done.flush()?;
                }
            }
        }
        Ok(())
    });
    let flushed = file.map_or(Ok(()), |mut file| file.flush());
    let crc = crc.and_then(|crc| {
        flushed?;
        Ok(crc)
    });
    crc.and_then(eif::Crc::intact).map_err(failed)
}

/// The entries of the root file system, with paths that begin at it; the root itself comes first, as the empty path.
fn entries<'a>(
    tree: &'a Tree,
    root: &'a [u8],
) -> impl Iterator<Item = (&'a [u8], usize, &'a crate::rootfs::Inode)> {
    tree.entries().filter_map(move |(path, number, inode)| {
        let below = path.strip_prefix(root)?;
        let inside = below.is_empty() || root.is_empty() || below.starts_with(b"/");
        inside.then(|| (below.strip_prefix(b"/").unwrap_or(below), number, inode))
    })
}
