//! The attestation document: COSE_Sign1 (RFC 9052) over a CBOR map, byte for byte in the shape of genuine
//! documents since 2025: untagged, the payload a map of indefinite length, what the caller did not give null.

use std::convert::Infallible;

use minicbor::Encoder;
use minicbor::encode::Error;

use super::credential::Credential;
use super::pcr_bank::PcrBank;
use crate::AttestationFields;

/// The protected header: {1 (alg): −35 (ES384)}.
const PROTECTED: [u8; 4] = [0xa1, 0x01, 0x38, 0x22];

/// The payload. `timestamp` is in milliseconds since the epoch.
pub(super) fn payload(
    module_id: &str,
    timestamp: u64,
    pcrs: &PcrBank,
    credential: &Credential,
    fields: &AttestationFields,
) -> Result<Vec<u8>, Error<Infallible>> {
    let mut encoder = Encoder::new(Vec::new());
    encoder.begin_map()?;
    encoder.str("module_id")?.str(module_id)?;
    encoder.str("digest")?.str("SHA384")?;
    encoder.str("timestamp")?.u64(timestamp)?;
    encoder.str("pcrs")?.map(pcrs.locked().count() as u64)?;
    for (index, value) in pcrs.locked() {
        encoder.u16(index)?.bytes(value)?;
    }
    encoder.str("certificate")?.bytes(&credential.certificate)?;
    encoder.str("cabundle")?.array(credential.cabundle.len() as u64)?;
    for certificate in &credential.cabundle {
        encoder.bytes(certificate)?;
    }
    for (name, value) in [
        ("public_key", &fields.public_key),
        ("user_data", &fields.user_data),
        ("nonce", &fields.nonce),
    ] {
        encoder.str(name)?;
        match value {
            Some(bytes) => encoder.bytes(bytes)?,
            None => encoder.null()?,
        };
    }
    encoder.end()?;
    Ok(encoder.into_writer())
}

/// What is signed (RFC 9052, section 4.4): the Sig_structure with no external data.
pub(super) fn to_be_signed(payload: &[u8]) -> Result<Vec<u8>, Error<Infallible>> {
    let mut encoder = Encoder::new(Vec::new());
    encoder
        .array(4)?
        .str("Signature1")?
        .bytes(&PROTECTED)?
        .bytes(&[])?
        .bytes(payload)?;
    Ok(encoder.into_writer())
}

/// The document: protected header, empty unprotected header, payload, signature.
pub(super) fn document(payload: &[u8], signature: &[u8]) -> Result<Vec<u8>, Error<Infallible>> {
    let mut encoder = Encoder::new(Vec::new());
    encoder
        .array(4)?
        .bytes(&PROTECTED)?
        .map(0)?
        .bytes(payload)?
        .bytes(signature)?;
    Ok(encoder.into_writer())
}
