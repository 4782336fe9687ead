//! What an EIF of anyone's making holds.
use std::{io, path::Path};

use contract::image::{self, ImageDescription};

use crate::{
    cpio,
    eif::{Certificate, Eif, Metadata, Pcrs, Section, SectionKind},
    error::Error,
};

/// What an EIF holds, found in one pass over it.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The registers, computed from the bytes.
    pub pcrs: Pcrs,
    /// The file's size in bytes.
    pub size: u64,
    /// The kernel's command line.
    pub cmdline: String,
    /// The sections in the file's order.
    pub sections: Vec<Section>,
    /// The metadata: what the file says of itself, measured by nothing.
    pub metadata: Metadata,
    /// The signing certificate; that the signature is good is for [`Eif::verify`] to say.
    pub certificate: Option<Certificate>,
    /// What the agent is told of the image, if the application's ramdisk is of this builder's making.
    pub description: Option<ImageDescription>,
}

/// Reads an EIF: its structure and CRC are checked, its registers computed. That it carries a known bundle's boot part
/// shows by its PCR1, which then equals [`crate::bundle::Bundle::pcr1`].
pub fn inspect(path: &Path) -> Result<Inspection, Error> {
    let failed = |source| Error::Eif {
        path: path.into(),
        source,
    };
    let mut eif = Eif::open(path).map_err(failed)?;
    let pcrs = eif.check().and_then(|checked| checked.intact()).map_err(failed)?;
    let sections = eif.sections().to_vec();
    let application = sections
        .iter()
        .filter(|section| section.kind == SectionKind::Ramdisk)
        .nth(1);
    let description = match application {
        Some(section) => description(eif.section(section).map_err(failed)?)?,
        None => None,
    };
    Ok(Inspection {
        pcrs,
        size: eif.size(),
        cmdline: eif.cmdline().map_err(failed)?,
        metadata: eif.metadata().map_err(failed)?,
        certificate: eif.certificate().map_err(failed)?,
        sections,
        description,
    })
}

/// The description in an application's ramdisk: its second entry. Other builders' ramdisks have none, and may not even be
/// cpio archives.
fn description(ramdisk: impl io::Read) -> Result<Option<ImageDescription>, Error> {
    let mut archive = cpio::Reader::new(ramdisk);
    let Ok(Some(_folder)) = archive.next_entry() else {
        return Ok(None);
    };
    match archive.next_entry() {
        Ok(Some(entry))
            if entry.path == image::PATH.as_bytes() && entry.size as usize <= image::MAX_BYTES =>
        {
            let mut json = Vec::new();
            archive.copy_data(&mut json).map_err(|source| Error::File {
                path: image::PATH.into(),
                source,
            })?;
            Ok(Some(ImageDescription::parse(&json)?))
        }
        _ => Ok(None),
    }
}
