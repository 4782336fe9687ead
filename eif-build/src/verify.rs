//! Whether an EIF is sound and signed: each check with its own answer.
use std::{path::Path, time::SystemTime};

use crate::{
    eif::{self, Certificate, Eif, Pcrs, Signature},
    error::Error,
};

/// What was checked of an EIF, in the order of the checks.
#[derive(Debug, Clone)]
pub struct Verification {
    /// Each check that was reached.
    pub checks: Vec<Check>,
    /// The registers, computed from the bytes, if the file could be walked.
    pub pcrs: Option<Pcrs>,
    /// The signing certificate, if it could be read. Whose it is, is for PCR8 to say.
    pub certificate: Option<Certificate>,
}

/// One check.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Check {
    /// What was checked.
    pub check: Subject,
    /// Whether it is so.
    pub passed: bool,
    /// What was found.
    pub message: String,
}

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// Header and sections are within the format and the file.
    Structure,
    /// The header's section table and the sections' own headers say the same.
    SectionTable,
    /// The CRC is the file's.
    Crc,
    /// The metadata, which is not measured, can be read.
    Metadata,
    /// There is a signature, made with the key of the certificate beside it.
    Signature,
    /// The certificate is valid now.
    CertificateDates,
    /// What was signed is this file's PCR0.
    SignedValue,
}

impl Verification {
    /// Whether every check passed.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }

    fn new() -> Self {
        Self {
            checks: Vec::new(),
            pcrs: None,
            certificate: None,
        }
    }

    /// Notes a check: what was found, or why it is refused.
    fn note(&mut self, check: Subject, found: Result<String, eif::Error>) {
        let passed = found.is_ok();
        let message = found.unwrap_or_else(|error| error.to_string());
        self.checks.push(Check {
            check,
            passed,
            message,
        });
    }
}

/// Verifies an EIF at `now`. A check that fails does not hide the others, but for those of structure, without which there
/// is nothing more to look at. Errors: the file cannot be read.
pub fn verify(path: &Path, now: SystemTime) -> Result<Verification, Error> {
    let failed = |source| Error::Eif {
        path: path.into(),
        source,
    };
    let mut found = Verification::new();
    let mut eif = match Eif::open(path) {
        Ok(eif) => eif,
        Err(error @ eif::Error::Io(_)) => return Err(failed(error)),
        Err(error) => {
            let subject = match &error {
                eif::Error::Table { .. } => Subject::SectionTable,
                _ => Subject::Structure,
            };
            found.note(subject, Err(error));
            return Ok(found);
        }
    };
    let sections = eif.sections().len();
    found.note(
        Subject::Structure,
        Ok(format!("{sections} sections in {} bytes", eif.size())),
    );
    let agrees = "the section table and the sections say the same";
    found.note(Subject::SectionTable, Ok(agrees.into()));

    let checked = eif.measure(|_, _| Ok(())).map_err(failed)?;
    let crc = checked.crc;
    found.note(Subject::Crc, crc.intact().map(|()| format!("{:08x}", crc.found)));
    match eif.metadata() {
        Err(error @ eif::Error::Io(_)) => return Err(failed(error)),
        metadata => found.note(Subject::Metadata, metadata.map(|_| "it can be read".into())),
    }
    let mut pcrs = checked.pcrs;
    match eif.signature() {
        Err(error @ eif::Error::Io(_)) => return Err(failed(error)),
        Err(error) => found.note(Subject::Signature, Err(error)),
        Ok(signature) => {
            found.signature(&signature, &pcrs, now);
            pcrs.pcr8 = Some(signature.certificate().pcr8());
            found.certificate = Some(signature.certificate().clone());
        }
    }
    found.pcrs = Some(pcrs);
    Ok(found)
}

impl Verification {
    fn signature(&mut self, signature: &Signature, pcrs: &Pcrs, now: SystemTime) {
        let certificate = signature.certificate();
        let algorithm = certificate.algorithm();
        self.note(
            Subject::Signature,
            signature
                .check_key()
                .map(|()| format!("{algorithm}, by the key of the certificate beside it")),
        );
        self.note(
            Subject::CertificateDates,
            certificate
                .check_dates(now)
                .map(|()| format!("the certificate of {} is valid now", certificate.issuer)),
        );
        self.note(
            Subject::SignedValue,
            signature
                .check_value(&pcrs.pcr0)
                .map(|()| "what was signed is this file's PCR0".into()),
        );
    }
}
