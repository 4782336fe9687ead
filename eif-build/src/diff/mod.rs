//! Why two EIFs are not the same: section by section, file by file, field by field.
mod metadata;
mod ramdisk;

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use crate::{
    digest::{Digest, Hasher},
    eif::{self, Eif, Section, SectionKind},
    error::Error,
    rootfs::Limits,
};

/// One difference. `a` and `b` are what the first and the second file have, empty where that has nothing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Difference {
    /// `header`, `kernel`, `cmdline`, `metadata`, `ramdisk 0` and so on, `signature`.
    pub section: String,
    /// The file in the ramdisk, or the key in the metadata, made printable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What differs: of a file `presence`, `type`, `mode`, `owner`, `size`, `content`, `target`, `mtime`, `device` or
    /// `links`.
    pub field: &'static str,
    /// What the first has.
    pub a: String,
    /// What the second has.
    pub b: String,
}

/// Compares two EIFs; no difference means that they are the same, byte for byte. Damaged files are refused.
pub fn diff(a: &Path, b: &Path, limits: &Limits) -> Result<Vec<Difference>, Error> {
    let (mut a, mut b) = (Side::open(a)?, Side::open(b)?);
    let mut found = Found(Vec::new());
    header(&mut found, &a.eif, &b.eif);
    found.compare("cmdline", None, "text", a.cmdline()?, b.cmdline()?);
    let metadata = a.metadata()?.zip(b.metadata()?);
    if let Some((a, b)) = metadata {
        metadata::compare(&mut found, &a, &b);
    }
    for kind in [
        SectionKind::Kernel,
        SectionKind::Cmdline,
        SectionKind::Metadata,
        SectionKind::Ramdisk,
        SectionKind::Signature,
    ] {
        let count = a.count(kind).max(b.count(kind));
        for number in 0..count {
            section(&mut found, &mut a, &mut b, kind, number, limits)?;
        }
    }
    let order = |side: &Side<'_>| {
        let names = side.sections.iter().map(|(section, _)| section.kind.name());
        names.collect::<Vec<_>>().join(", ")
    };
    found.compare("header", None, "order of sections", order(&a), order(&b));
    Ok(found.0)
}

fn header(found: &mut Found, a: &Eif<BufReader<File>>, b: &Eif<BufReader<File>>) {
    let machine = |eif: &Eif<_>| if eif.is_arm64() { "arm64" } else { "x86_64" };
    found.compare("header", None, "architecture", machine(a), machine(b));
    let ((memory_a, cpus_a), (memory_b, cpus_b)) = (a.defaults(), b.defaults());
    found.compare("header", None, "default memory", memory_a, memory_b);
    found.compare("header", None, "default CPUs", cpus_a, cpus_b);
}

/// Compares the sections of a kind with the same number among their kind.
fn section(
    found: &mut Found,
    a: &mut Side<'_>,
    b: &mut Side<'_>,
    kind: SectionKind,
    number: usize,
    limits: &Limits,
) -> Result<(), Error> {
    let name = match kind {
        SectionKind::Ramdisk => format!("{} {number}", kind.name()),
        _ => kind.name().to_owned(),
    };
    let before = found.0.len();
    let (in_a, in_b) = (a.nth(kind, number), b.nth(kind, number));
    let (Some((section_a, digest_a)), Some((section_b, digest_b))) = (in_a, in_b) else {
        let size = |side: Option<(Section, Digest)>| side.map_or(String::new(), |(it, _)| bytes(it.size));
        found.compare(&name, None, "presence", size(in_a), size(in_b));
        return Ok(());
    };
    if digest_a == digest_b {
        return Ok(());
    }
    match kind {
        SectionKind::Ramdisk => {
            let (list_a, list_b) = (a.list(&section_a, limits)?, b.list(&section_b, limits)?);
            if let Some((list_a, list_b)) = list_a.zip(list_b) {
                ramdisk::compare(found, &name, &list_a, &list_b);
                if found.0.len() == before {
                    found.compare(
                        &name,
                        None,
                        "inode numbers, order, compression or padding",
                        digest_a,
                        digest_b,
                    );
                }
                return Ok(());
            }
        }
        SectionKind::Signature => {
            let (issuer_a, issuer_b) = (a.signed_by()?, b.signed_by()?);
            found.compare(&name, None, "certificate", issuer_a, issuer_b);
        }
        // What they say was compared; what is left is how it is written.
        SectionKind::Cmdline | SectionKind::Metadata if found.has(&name) => return Ok(()),
        _ => {}
    }
    found.compare(&name, None, "size", section_a.size, section_b.size);
    found.compare(&name, None, "content", digest_a, digest_b);
    Ok(())
}

fn bytes(count: u64) -> String {
    format!("{count} bytes")
}

/// The differences so far.
struct Found(Vec<Difference>);

impl Found {
    fn compare(
        &mut self,
        section: &str,
        path: Option<&str>,
        field: &'static str,
        a: impl ToString,
        b: impl ToString,
    ) {
        let (a, b) = (a.to_string(), b.to_string());
        if a != b {
            self.0.push(Difference {
                section: section.to_owned(),
                path: path.map(str::to_owned),
                field,
                a,
                b,
            });
        }
    }

    fn has(&self, section: &str) -> bool {
        self.0.iter().any(|difference| difference.section == section)
    }
}

/// One of the two files, intact, with a digest of each section.
struct Side<'a> {
    path: &'a Path,
    eif: Eif<BufReader<File>>,
    sections: Vec<(Section, Digest)>,
}

impl<'a> Side<'a> {
    fn open(path: &'a Path) -> Result<Self, Error> {
        let read = || -> Result<_, eif::Error> {
            let mut eif = Eif::open(path)?;
            let mut sections: Vec<(Section, Hasher)> = Vec::new();
            let crc = eif.pass(|section, data| {
                match (data, sections.last_mut()) {
                    (Some(data), Some((_, hasher))) => hasher.update(data),
                    _ => sections.push((*section, Hasher::default())),
                }
                Ok(())
            })?;
            crc.intact()?;
            let finished = sections
                .into_iter()
                .map(|(section, hasher)| (section, hasher.finish()));
            Ok((eif, finished.collect()))
        };
        let (eif, sections) = read().map_err(|source| Error::Eif {
            path: path.into(),
            source,
        })?;
        Ok(Self { path, eif, sections })
    }

    fn count(&self, kind: SectionKind) -> usize {
        self.sections
            .iter()
            .filter(|(section, _)| section.kind == kind)
            .count()
    }

    fn nth(&self, kind: SectionKind, number: usize) -> Option<(Section, Digest)> {
        let mut of_kind = self.sections.iter().filter(|(section, _)| section.kind == kind);
        of_kind.nth(number).copied()
    }

    /// Text if it is text.
    fn cmdline(&mut self) -> Result<String, Error> {
        self.has_read(|eif| eif.cmdline()).map(Option::unwrap_or_default)
    }

    fn metadata(&mut self) -> Result<Option<eif::Metadata>, Error> {
        self.has_read(|eif| eif.metadata())
    }

    fn signed_by(&mut self) -> Result<String, Error> {
        let certificate = self.has_read(|eif| eif.certificate())?.flatten();
        let text = certificate.map(|it| format!("{}, {}", it.issuer, Digest::of(it.der())));
        Ok(text.unwrap_or_default())
    }

    /// The entries of a ramdisk; `None` if it is no archive.
    fn list(&mut self, section: &Section, limits: &Limits) -> Result<Option<ramdisk::Listing>, Error> {
        self.has_read(|eif| {
            let data: Box<dyn Read> = Box::new(eif.section(section)?);
            Ok(ramdisk::list(BufReader::with_capacity(1 << 17, data), limits)?)
        })
    }

    /// What `read` gives, or `None` where the file's content is not of the form that it looks for.
    fn has_read<T>(
        &mut self,
        read: impl FnOnce(&mut Eif<BufReader<File>>) -> Result<T, eif::Error>,
    ) -> Result<Option<T>, Error> {
        match read(&mut self.eif) {
            Ok(value) => Ok(Some(value)),
            Err(eif::Error::Io(error))
                if !matches!(
                    error.kind(),
                    std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
                ) =>
            {
                Err(Error::File {
                    path: self.path.into(),
                    source: error,
                })
            }
            Err(_) => Ok(None),
        }
    }
}
