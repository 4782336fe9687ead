//! An attestation document, read.

use crate::cose::Sign1;
use crate::payload::{self, Payload};
use crate::pcr::{self, Pcr};
use crate::refusal::{Code, Refusal};
use std::collections::BTreeMap;

/// The largest document that is looked at, in bytes. Genuine ones have 4.4 to 7.5 KB, an NSM's answer at most 12 KiB.
pub const MAX_DOCUMENT_LEN: usize = 16 * 1024;

/// What a Nitro Secure Module says about an enclave.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// `i-<instance>-enc<enclave>`: instance and enclave that the module belongs to.
    pub module_id: String,
    /// The hash function of the PCRs: "SHA384".
    pub digest: String,
    /// When the document was made, in milliseconds since the Unix epoch, never 0.
    pub timestamp_ms: u64,
    /// PCR index (0 to 31) to value; at least one.
    pub pcrs: BTreeMap<u8, Pcr>,
    /// The leaf certificate in DER, whose key signed the document; 1 to 1024 bytes.
    pub certificate: Vec<u8>,
    /// The leaf's issuers in DER, from the root down; 1 to 1024 bytes each.
    pub cabundle: Vec<Vec<u8>>,
    /// A public key that the enclave asked to have attested; at most 1024 bytes. `None` for null or absent.
    pub public_key: Option<Vec<u8>>,
    /// Data that the enclave asked to have attested; at most 1024 bytes. `None` for null or absent.
    pub user_data: Option<Vec<u8>>,
    /// The nonce that the enclave was given; at most 1024 bytes. `None` for null or absent.
    pub nonce: Option<Vec<u8>>,
}

impl Document {
    /// Reads a document (COSE_Sign1, tagged or not) **without** verifying chain or signature: for looking at one.
    ///
    /// # Errors
    /// A [`Refusal`] for all that is not exactly the format: encoding, headers, fields and bounds.
    pub fn parse_unverified(document: &[u8]) -> Result<Self, Refusal> {
        Ok(Payload::read(envelope(document)?.payload)?.into())
    }

    /// The EC2 instance of `module_id`: what stands before `-enc`.
    #[must_use]
    pub fn instance_id(&self) -> &str {
        payload::instance_id(&self.module_id)
    }

    /// Whether the enclave ran in debug mode: PCR0, 1 or 2 is zero, which no measurement ever is.
    #[must_use]
    pub fn is_debug(&self) -> bool {
        (0..=2).any(|index| self.pcrs.get(&index) == Some(&pcr::ZERO))
    }
}

/// In memory of its own.
impl From<Payload<'_>> for Document {
    fn from(payload: Payload<'_>) -> Self {
        Self {
            module_id: payload.module_id.into(),
            digest: payload::DIGEST.into(),
            timestamp_ms: payload.timestamp_ms,
            pcrs: payload.pcrs,
            certificate: payload.certificate.into(),
            cabundle: payload.cabundle.into_iter().map(Into::into).collect(),
            public_key: payload.public_key.map(Into::into),
            user_data: payload.user_data.map(Into::into),
            nonce: payload.nonce.map(Into::into),
        }
    }
}

/// The COSE envelope of a document of acceptable size.
pub(crate) fn envelope(document: &[u8]) -> Result<Sign1<'_>, Refusal> {
    if document.len() > MAX_DOCUMENT_LEN {
        let found = format!("{} bytes", document.len());
        return Err(Refusal::new(
            Code::TooLarge,
            "document",
            found,
            format!("at most {MAX_DOCUMENT_LEN} bytes"),
        ));
    }
    Sign1::parse(document)
}
