//! The COSE_Sign1 envelope (RFC 9052, 4.2): `[protected, unprotected, payload, signature]`.

use crate::cbor::Reader;
use crate::refusal::{Code, Refusal, quote_bytes};

/// COSE_Sign1's tag. Genuine documents come without it; RFC 9052 allows it.
const TAG: u64 = 18;

/// The protected header, `{1: -35}`: algorithm ES384.
const PROTECTED: &[u8] = b"\xa1\x01\x38\x22";

/// The start of the signed structure (RFC 9052, 4.4), `["Signature1", protected, h'', payload]`, up to the payload.
const SIGNED_PREFIX: &[u8] = b"\x84\x6aSignature1\x44\xa1\x01\x38\x22\x40";

/// Bytes of an ES384 signature, r ‖ s.
const SIGNATURE_LEN: usize = 96;

/// A COSE_Sign1 whose headers are those of an attestation document and whose signature was not checked.
pub(crate) struct Sign1<'a> {
    pub(crate) payload: &'a [u8],
    pub(crate) signature: &'a [u8],
    /// The payload with its CBOR head, as it stands in the document.
    payload_item: &'a [u8],
}

impl<'a> Sign1<'a> {
    pub(crate) fn parse(document: &'a [u8]) -> Result<Self, Refusal> {
        let mut reader = Reader::new(document);
        match reader.tag("COSE_Sign1")? {
            None | Some(TAG) => {}
            Some(tag) => {
                return Err(Refusal::new(
                    Code::CoseTag,
                    "COSE_Sign1",
                    format!("tag {tag}"),
                    "tag 18 or no tag",
                ));
            }
        }
        let parts = reader.array("COSE_Sign1")?;
        if parts != 4 {
            return Err(Refusal::new(
                Code::Malformed,
                "COSE_Sign1",
                format!("an array of {parts}"),
                "an array of 4",
            ));
        }
        check_headers(&mut reader)?;
        let start = reader.position();
        let payload = reader.bytes("payload")?;
        let payload_item = document.get(start..reader.position()).unwrap_or_default();
        let signature = reader.bytes("signature")?;
        if signature.len() != SIGNATURE_LEN {
            let found = format!("{} bytes", signature.len());
            return Err(Refusal::new(
                Code::SignatureLength,
                "signature",
                found,
                format!("{SIGNATURE_LEN} bytes"),
            ));
        }
        reader.end("COSE_Sign1")?;
        Ok(Self {
            payload,
            signature,
            payload_item,
        })
    }

    /// The bytes that the signature is over.
    pub(crate) fn signed(&self) -> Vec<u8> {
        // The payload's head in the document is the minimal one, so it is the one that the structure has as well.
        [SIGNED_PREFIX, self.payload_item].concat()
    }
}

fn check_headers(reader: &mut Reader<'_>) -> Result<(), Refusal> {
    let protected = reader.bytes("protected header")?;
    if protected != PROTECTED {
        let expected = format!("{} (ES384)", hex::encode(PROTECTED));
        return Err(Refusal::new(
            Code::ProtectedHeader,
            "protected header",
            quote_bytes(protected),
            expected,
        ));
    }
    let unprotected = reader.map("unprotected header")?;
    if unprotected != 0 {
        let found = format!("{unprotected} entries");
        return Err(Refusal::new(
            Code::UnprotectedHeader,
            "unprotected header",
            found,
            "none",
        ));
    }
    Ok(())
}
