//! Work on an EIF that is there: sign, verify, take apart.
use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
    time::SystemTime,
};

use crate::{
    build::write_whole,
    eif::{self, Certificate, Eif, Pcrs, SectionKind, Signer},
    error::Error,
};

/// Signs an EIF, in place of a signature that it may have, into `output`, which may be the same file and appears whole or
/// not at all.
pub fn sign(path: &Path, signer: &Signer, output: &Path) -> Result<Pcrs, Error> {
    let failed = |source| Error::Eif {
        path: path.into(),
        source,
    };
    let mut eif = Eif::open(path).map_err(failed)?;
    write_whole(output, |file| {
        Ok(eif::resign(&mut eif, signer, file).map_err(failed)?.pcrs)
    })
}

/// Verifies a signed EIF: CRC, structure, signature, its certificate's dates at `now`, and that what was signed is this
/// file's PCR0. Whose certificate it is, is for PCR8 to say.
pub fn verify(path: &Path, now: SystemTime) -> Result<(Pcrs, Certificate), Error> {
    let failed = |source| Error::Eif {
        path: path.into(),
        source,
    };
    let (pcrs, certificate) = Eif::open(path).and_then(|mut eif| eif.verify()).map_err(failed)?;
    certificate.check_dates(now).map_err(failed)?;
    Ok((pcrs, certificate))
}

/// Writes each section into a file of `folder`: kernel, cmdline, metadata.json, ramdisk0.cpio and so on, signature.
pub fn extract(path: &Path, folder: &Path) -> Result<(), Error> {
    let failed = |source| Error::Eif {
        path: path.into(),
        source,
    };
    fs::create_dir_all(folder).map_err(|source| Error::File {
        path: folder.into(),
        source,
    })?;
    let mut eif = Eif::open(path).map_err(failed)?;
    let mut ramdisks = 0;
    let mut file: Option<BufWriter<File>> = None;
    let checked = eif.scan(|section, data| {
        match (data, &mut file) {
            (Some(data), Some(file)) => file.write_all(data)?,
            _ => {
                let name = match section.kind {
                    SectionKind::Kernel => "kernel".to_owned(),
                    SectionKind::Cmdline => "cmdline".to_owned(),
                    SectionKind::Metadata => "metadata.json".to_owned(),
                    SectionKind::Signature => "signature".to_owned(),
                    SectionKind::Ramdisk => {
                        ramdisks += 1;
                        format!("ramdisk{}.cpio", ramdisks - 1)
                    }
                };
                if let Some(mut done) = file.replace(BufWriter::new(File::create(folder.join(name))?)) {
                    done.flush()?;
                }
            }
        }
        Ok(())
    });
    let flushed = file.map_or(Ok(()), |mut file| file.flush());
    flushed.map_err(|source| Error::File {
        path: folder.into(),
        source,
    })?;
    checked
        .and_then(|checked| checked.intact())
        .map(drop)
        .map_err(failed)
}
