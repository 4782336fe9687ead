//! What an EIF of anyone's making holds.
mod application;
mod nitro_cli;

use std::{
    io::{Read, Seek},
    path::Path,
};

use contract::image::ImageDescription;

use crate::{
    eif::{self, Certificate, Crc, Eif, Metadata, Pcrs, Section, SectionKind},
    error::Error,
};

/// What an EIF holds, found in one pass over it.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The registers, computed from the bytes.
    pub pcrs: Pcrs,
    /// The CRC that the header says, and the file's.
    pub crc: Crc,
    /// The file's size in bytes.
    pub size: u64,
    /// Whether the image is for arm64; else it is for x86_64.
    pub arm64: bool,
    /// The kernel's command line.
    pub cmdline: String,
    /// The sections in the file's order.
    pub sections: Vec<Section>,
    /// The metadata: what the file says of itself, measured by nothing.
    pub metadata: Metadata,
    /// The signing certificate.
    pub certificate: Option<Certificate>,
    /// Why the signature is not one over this file's PCR0 with the certificate's key; the certificate's dates are not
    /// looked at.
    pub signature_problem: Option<String>,
    /// What the agent is told of the image, if the application's ramdisk is of this builder's making.
    pub description: Option<ImageDescription>,
}

/// Reads an EIF: its structure and CRC are checked, its registers computed. That it carries a known bundle's boot part
/// shows by its PCR1, which then equals [`crate::bundle::Bundle::pcr1`].
pub fn inspect(path: &Path) -> Result<Inspection, Error> {
    let found = describe(path)?;
    found.crc.intact().map_err(|source| Error::Eif {
        path: path.into(),
        source,
    })?;
    Ok(found)
}

/// As [`inspect`], but a damaged file is described too: its CRC says so.
pub fn describe(path: &Path) -> Result<Inspection, Error> {
    let failed = |source| Error::Eif {
        path: path.into(),
        source,
    };
    let mut eif = Eif::open(path).map_err(failed)?;
    let checked = eif.check().map_err(failed)?;
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
    let certificate = eif.certificate().map_err(failed)?;
    let signature_problem = certificate
        .is_some()
        .then(|| check_signature(&mut eif, &checked.pcrs).err())
        .flatten()
        .map(|problem| problem.to_string());
    Ok(Inspection {
        pcrs: checked.pcrs,
        crc: checked.crc,
        size: eif.size(),
        arm64: eif.is_arm64(),
        cmdline: eif.cmdline().map_err(failed)?,
        metadata: eif.metadata().map_err(failed)?,
        certificate,
        signature_problem,
        sections,
        description,
    })
}

fn check_signature(eif: &mut Eif<impl Read + Seek>, pcrs: &Pcrs) -> Result<(), eif::Error> {
    let signature = eif.signature()?;
    signature.check_key()?;
    signature.check_value(&pcrs.pcr0)
}
