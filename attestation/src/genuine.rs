//! Genuineness: the chain and the signature, and nothing else.

use crate::chain::Chain;
use crate::crypto::es384_verifies;
use crate::document::{self, Document};
use crate::refusal::{Code, Refusal, quote_bytes};
use crate::root::{Root, Trust};
use rustls_pki_types::UnixTime;
use std::time::{Duration, SystemTime};

/// A document that a secure module under one of the verifier's roots signed. It says nothing yet about *which*
/// enclave that was, nor when: anybody can get such a document. [`Genuine::check`] asks that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genuine {
    document: Document,
    trust: Trust,
}

impl Genuine {
    /// What the secure module signed.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// What the document stands on.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// Whether the enclave runs in debug mode; see [`Document::is_debug`].
    #[must_use]
    pub fn is_debug(&self) -> bool {
        self.document.is_debug()
    }
}

/// Verifies that `document` (COSE_Sign1, tagged or not) is genuine: exactly of the format, under one of `roots`,
/// its whole chain valid at the verifier's time `now`, signed by the leaf,
/// PCR4 being the measurement of the instance in `module_id` (unless it is zero or absent).
///
/// # Errors
/// The [`Refusal`] for the first rule that is broken, from the envelope inwards: see [`Code`].
pub fn verify(document: &[u8], roots: &[Root], now: SystemTime) -> Result<Genuine, Refusal> {
    let envelope = document::envelope(document)?;
    let document = Document::from_payload(envelope.payload)?;
    let chain = Chain::verify(&document, roots, UnixTime::since_unix_epoch(since_epoch(now)))?;
    if !es384_verifies(chain.key(), &envelope.signed(), envelope.signature) {
        return Err(Refusal::new(
            Code::Signature,
            "signature",
            quote_bytes(envelope.signature),
            "the signature of the leaf's key over this payload",
        ));
    }
    document.check_pcr4()?;
    let trust = chain.root.trust();
    Ok(Genuine { document, trust })
}

/// Time since the Unix epoch; a clock before it is taken as the epoch, at which nothing is valid yet.
pub(crate) fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
