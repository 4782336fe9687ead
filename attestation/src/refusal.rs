//! Why a document is refused: a code for machines, and what was found against what was expected for people.

use std::fmt;

/// Declares [`Code`] so that a rule, its meaning and its spelling stand in one place.
macro_rules! codes {
    ($($(#[$meaning:meta])+ $name:ident = $text:literal,)+) => {
        /// The rule that a document breaks. A code never changes its meaning; new ones may be added.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = concat!("`", $text, "`:")] $(#[$meaning])+ $name,)+
        }

        impl Code {
            /// Every code, from the envelope through the chain to the policy.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable, machine-readable spelling.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

codes! {
    /// The document is larger than [`MAX_DOCUMENT_LEN`](crate::MAX_DOCUMENT_LEN).
    TooLarge = "too_large",
    /// Truncated, not CBOR, or an item of another type than the format has in this place.
    Malformed = "malformed",
    /// A CBOR head that is longer than its value needs.
    NonMinimal = "non_minimal",
    /// Bytes after the end of the document or of its payload.
    TrailingBytes = "trailing_bytes",
    /// A CBOR tag other than 18 (COSE_Sign1).
    CoseTag = "cose_tag",
    /// The protected header is not exactly `{1: -35}` (ES384).
    ProtectedHeader = "protected_header",
    /// The unprotected header is not empty.
    UnprotectedHeader = "unprotected_header",
    /// The signature is not r ‖ s of 96 bytes.
    SignatureLength = "signature_length",
    /// A key of the payload or a PCR index stands twice.
    DuplicateField = "duplicate_field",
    /// A key that the payload of an attestation document does not have.
    UnknownField = "unknown_field",
    /// A required key of the payload is absent.
    MissingField = "missing_field",
    /// A field, or the number of its entries, is outside its bounds.
    FieldLength = "field_length",
    /// A document of NitroTPM (an EC2 instance), not of an enclave.
    NitroTpm = "nitrotpm",
    /// `module_id` is not of the form `i-<instance>-enc<enclave>`.
    ModuleId = "module_id",
    /// `digest` is not "SHA384".
    Digest = "digest",
    /// `timestamp` is 0.
    Timestamp = "timestamp",
    /// A PCR index above 31.
    PcrIndex = "pcr_index",
    /// The chain begins with a root that the verifier does not hold.
    UnknownRoot = "unknown_root",
    /// The chain is not root, regional, zonal, instance, leaf: it has fewer or more certificates.
    ChainLength = "chain_length",
    /// A certificate is not an X.509 v3 certificate in DER.
    CertificateEncoding = "certificate_encoding",
    /// A key that is not P-384, or a signature algorithm that is not ecdsa-with-SHA384.
    CertificateAlgorithm = "certificate_algorithm",
    /// Basic constraints that do not fit the certificate's place: not a CA, a CA as leaf, another path length.
    CertificateConstraints = "certificate_constraints",
    /// Key usage that does not fit the certificate's place.
    CertificateKeyUsage = "certificate_key_usage",
    /// A certificate begins to be valid after the verifier's time.
    CertificateNotYetValid = "certificate_not_yet_valid",
    /// A certificate has expired at the verifier's time.
    CertificateExpired = "certificate_expired",
    /// A certificate was not issued by the one before it.
    ChainOrder = "chain_order",
    /// A certificate's signature does not verify with its issuer's key.
    CertificateSignature = "certificate_signature",
    /// The chain breaks another rule of RFC 5280, such as an unknown critical extension.
    CertificateRejected = "certificate_rejected",
    /// The document's signature does not verify with the leaf's key.
    Signature = "signature",
    /// PCR4 is not the measurement of the instance that `module_id` names.
    Pcr4 = "pcr4",
    /// The policy, or a release of it, expects no PCR at all: it would accept anybody's enclave.
    NoExpectation = "no_expectation",
    /// The root is not of a kind that the policy accepts.
    Trust = "trust",
    /// The root is none of those that the policy names.
    Root = "root",
    /// An enclave in debug mode, which the policy does not allow.
    Debug = "debug",
    /// A PCR is absent or has none of the expected values.
    Pcr = "pcr",
    /// The PCRs are those of none of the releases that the policy names.
    Release = "release",
    /// The nonce is absent or another one.
    Nonce = "nonce",
    /// The user data is absent or another one.
    UserData = "user_data",
    /// The public key is absent or another one.
    PublicKey = "public_key",
    /// The document's timestamp is more than [`CLOCK_SKEW`](crate::CLOCK_SKEW) after the verifier's time. Judged where the
    /// policy has a [`max_age`](crate::Policy::max_age).
    FromFuture = "from_future",
    /// The document is older than the policy's [`max_age`](crate::Policy::max_age).
    Stale = "stale",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The refusal of a document. Its text is for one's own log: what came from the document is bounded and escaped, what came
/// from the policy (nonce, PCRs, of every release) stands in it as well. Tell the caller its [`code`](Self::code) alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {field}: found {found}, expected {expected}")]
pub struct Refusal {
    code: Code,
    field: String,
    found: String,
    expected: String,
}

impl Refusal {
    pub(crate) fn new(
        code: Code,
        field: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            code,
            field: field.into(),
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// The rule that was broken.
    #[must_use]
    pub fn kind(&self) -> Code {
        self.code
    }

    /// The rule that was broken, in its machine-readable spelling: `self.kind().as_str()`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code.as_str()
    }

    /// Where: a key of the payload (`pcrs[4]`, `cabundle[1]`), a part of the COSE envelope, or of the policy.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What was found there.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What would have been accepted.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

/// The longest piece of a document that a refusal quotes, in bytes.
const QUOTED: usize = 64;

/// Bytes of a document as hex, bounded.
pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
    match bytes.get(..QUOTED) {
        Some(start) if bytes.len() > QUOTED => {
            format!("{}… ({} bytes)", hex::encode(start), bytes.len())
        }
        _ if bytes.is_empty() => "0 bytes".into(),
        _ => hex::encode(bytes),
    }
}

/// Text of a document, escaped and bounded.
pub(crate) fn quote_text(text: &str) -> String {
    let start: String = text.chars().take(QUOTED).collect();
    let rest = if start.len() < text.len() { "…" } else { "" };
    format!("{start:?}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_distinct() {
        let spellings: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(spellings.len(), Code::ALL.len());
    }

    #[test]
    fn display_says_what_where_and_the_mend() {
        let refusal = Refusal::new(Code::Digest, "digest", quote_text("MD5\u{1b}[2J"), "\"SHA384\"");
        assert_eq!(
            refusal.to_string(),
            r#"digest: digest: found "MD5\u{1b}[2J", expected "SHA384""#
        );
    }

    #[test]
    fn quotations_are_bounded() {
        assert!(quote_bytes(&[7; 16_384]).len() < 200);
        assert!(quote_text(&"é".repeat(16_384)).len() < 200);
    }
}
