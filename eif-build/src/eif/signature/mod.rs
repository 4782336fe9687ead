//! The signature section: a certificate and a COSE_Sign1 (RFC 9052) over PCR0.
//!
//! CBOR: `[{"signing_certificate": PEM, "signature": COSE_Sign1}]`, and the COSE payload is
//! `{"register_index": 0, "register_value": PCR0}`. nitro-cli writes the three byte fields as arrays of integers, which
//! is written here too; byte strings are read as well.
mod certificate;
mod cose;
#[cfg(feature = "kms")]
mod kms;
mod signer;

pub use certificate::Certificate;
pub use signer::Signer;

use aws_lc_rs::signature::UnparsedPublicKey;
use minicbor::Decoder;

use super::{Error, Pcr};
use cose::{CoseSign1, Malformed, bytes_or_integers, expect, signed_bytes};

/// A signature section, read; what it says is not yet checked.
pub struct Signature {
    certificate: Certificate,
    cose: CoseSign1,
    register: u64,
    value: Vec<u8>,
}

impl Signature {
    /// Reads a section's content.
    pub fn parse(section: &[u8]) -> Result<Self, Error> {
        let (pem, cose) = entry(section).map_err(malformed)?;
        let certificate = read_certificate(&pem)?;
        let cose = CoseSign1::decode(&cose).map_err(malformed)?;
        if cose.algorithm != certificate.scheme.cose_algorithm {
            let (found, name) = (cose.algorithm, certificate.algorithm());
            return Err(Error::Signature(format!(
                "it says algorithm {found}, its certificate's key is for {name}"
            )));
        }
        let (register, value) = signed_register(&cose.payload).map_err(malformed)?;
        Ok(Self {
            certificate,
            cose,
            register,
            value,
        })
    }

    /// The certificate that stands beside the signature.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Refuses a signature that was not made with the certificate's key.
    pub fn check_key(&self) -> Result<(), Error> {
        let signed = signed_bytes(&self.cose.protected, &self.cose.payload)?;
        UnparsedPublicKey::new(self.certificate.scheme.verifying, &self.certificate.point)
            .verify(&signed, &self.cose.signature)
            .map_err(|_| {
                Error::Signature("it was not made with its certificate's key, or over something else".into())
            })
    }

    /// Refuses a signature over anything but `pcr0`.
    pub fn check_value(&self, pcr0: &Pcr) -> Result<(), Error> {
        if self.register == 0 && self.value == pcr0.0 {
            return Ok(());
        }
        let (register, value) = (self.register, hex::encode(&self.value));
        Err(Error::Signature(format!(
            "it is over PCR{register} = {value}, this file's PCR0 is {pcr0}; it was made for another image"
        )))
    }
}

/// The certificate in a signature section.
pub(super) fn certificate(section: &[u8]) -> Result<Certificate, Error> {
    read_certificate(&entry(section).map_err(malformed)?.0)
}

/// What is wrong with a certificate in a file is wrong with the file's signature.
fn read_certificate(pem: &[u8]) -> Result<Certificate, Error> {
    Certificate::from_pem(pem).map_err(|error| match error {
        Error::Key(problem) => Error::Signature(problem),
        other => other,
    })
}

/// The one entry of a signature section: PEM and COSE_Sign1. Others read the first entry and ignore the rest; here the
/// rest is refused.
fn entry(section: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Malformed> {
    let mut input = Decoder::new(section);
    expect(input.array()? == Some(1), "not an array of one signature")?;
    expect(input.map()? == Some(2), "a signature has two fields")?;
    expect(
        input.str()? == "signing_certificate",
        "signing_certificate does not come first",
    )?;
    let pem = bytes_or_integers(&mut input, section.len())?;
    expect(input.str()? == "signature", "signature does not come second")?;
    let cose = bytes_or_integers(&mut input, section.len())?;
    expect(input.position() == section.len(), "bytes follow the signature")?;
    Ok((pem, cose))
}

/// What was signed: a register's index and value.
fn signed_register(payload: &[u8]) -> Result<(u64, Vec<u8>), Malformed> {
    let mut input = Decoder::new(payload);
    expect(input.map()? == Some(2), "the payload has two fields")?;
    expect(
        input.str()? == "register_index",
        "register_index does not come first",
    )?;
    let index = input.u64()?;
    expect(
        input.str()? == "register_value",
        "register_value does not come second",
    )?;
    let value = bytes_or_integers(&mut input, payload.len())?;
    expect(input.position() == payload.len(), "bytes follow the payload")?;
    Ok((index, value))
}

fn malformed(error: Malformed) -> Error {
    Error::Signature(error.to_string())
}
