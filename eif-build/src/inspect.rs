//! What an EIF of anyone's making holds.
mod application;

use std::path::Path;

use contract::image::ImageDescription;

use crate::{
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
    let ramdisks: Vec<_> = sections
        .iter()
        .filter(|section| section.kind == SectionKind::Ramdisk)
        .collect();
    // Linux unpacks every ramdisk over the ones before: a third could replace the agent.
    let description = match ramdisks[..] {
        [_, application] => application::describe(eif.section(application).map_err(failed)?)?,
        _ => None,
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
