//! One certificate of the chain: the rules of its place that path validation does not look at.

mod shape;

use crate::crypto::POINT_LEN;
use crate::refusal::{Code, Refusal};
use rustls_pki_types::UnixTime;
use std::ops::RangeInclusive;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::KeyUsage;
use x509_parser::oid_registry::OID_SIG_ECDSA_WITH_SHA384;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Version;

/// A SubjectPublicKeyInfo with an uncompressed P-384 point (RFC 5480, 2) up to the point's coordinates. Compared
/// as bytes, since that is the one DER of it that there is.
const P384_KEY: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00\x04";
/// A certificate's place in the chain.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    /// A certificate authority whose path length is nobody's business but its owner's.
    Root,
    /// A certificate authority with exactly this path length.
    Authority { path_len: u32 },
    /// The certificate whose key signs documents.
    Leaf,
}

/// A parsed certificate, named as in the document (`cabundle[2]`).
pub(crate) struct Certificate<'a> {
    parsed: X509Certificate<'a>,
    field: String,
}

impl<'a> Certificate<'a> {
    pub(crate) fn parse(der: &'a [u8], field: impl Into<String>) -> Result<Self, Refusal> {
        let field = field.into();
        let refuse = |found: String| {
            Refusal::new(
                Code::CertificateEncoding,
                &field,
                found,
                "an X.509 v3 certificate in DER",
            )
        };
        shape::check(der).map_err(&refuse)?;
        let (_, parsed) = X509Certificate::from_der(der).map_err(|error| refuse(error.to_string()))?;
        if parsed.version() != X509Version::V3 {
            return Err(refuse(format!("version field {}", parsed.version().0)));
        }
        // The parser takes an extension that it cannot read for absent.
        if let Some(extension) = parsed
            .extensions()
            .iter()
            .find(|extension| extension.parsed_extension().error().is_some())
        {
            return Err(refuse(format!("a malformed extension {}", extension.oid)));
        }
        Ok(Self { parsed, field })
    }

    /// Refuses keys other than P-384 and signatures other than ecdsa-with-SHA384.
    pub(crate) fn check_algorithms(&self) -> Result<(), Refusal> {
        let signature = &self.parsed.signature_algorithm;
        if signature.algorithm != OID_SIG_ECDSA_WITH_SHA384 || signature.parameters.is_some() {
            let found = format!("signature algorithm {}", signature.algorithm);
            return Err(self.refuse(Code::CertificateAlgorithm, found, "ecdsa-with-SHA384"));
        }
        let key = self.parsed.public_key();
        let point = &key.subject_public_key;
        let is_p384 = key
            .raw
            .strip_prefix(P384_KEY)
            .is_some_and(|coordinates| coordinates.len() == POINT_LEN - 1);
        if !is_p384 {
            let found = format!(
                "a key of algorithm {}, {} bytes",
                key.algorithm.algorithm,
                point.data.len()
            );
            return Err(self.refuse(Code::CertificateAlgorithm, found, "an uncompressed P-384 key"));
        }
        Ok(())
    }

    /// Refuses basic constraints and key usage other than those of the place. Path validation takes key usage for
    /// CRLs alone, and accepts any path length that is long enough.
    pub(crate) fn check_role(&self, role: Role) -> Result<(), Refusal> {
        self.check_constraints(role)?;
        let usage = self
            .parsed
            .key_usage()
            .map_err(|error| self.refuse(Code::CertificateKeyUsage, error.to_string(), "one key usage"))?
            .map(|extension| extension.value);
        let (allowed, expected) = match role {
            Role::Root | Role::Authority { .. } => {
                (usage.is_some_and(KeyUsage::key_cert_sign), "keyCertSign")
            }
            Role::Leaf => (
                usage.is_some_and(|usage| usage.digital_signature() && !usage.key_cert_sign()),
                "digitalSignature and not keyCertSign",
            ),
        };
        if allowed {
            return Ok(());
        }
        let found = usage.map_or_else(|| "no key usage".into(), ToString::to_string);
        Err(self.refuse(Code::CertificateKeyUsage, found, expected))
    }

    fn check_constraints(&self, role: Role) -> Result<(), Refusal> {
        let constraints = self
            .parsed
            .basic_constraints()
            .map_err(|error| {
                self.refuse(
                    Code::CertificateConstraints,
                    error.to_string(),
                    "one basicConstraints",
                )
            })?
            .map(|extension| extension.value);
        let is_ca = constraints.is_some_and(|constraints| constraints.ca);
        let path_len = constraints.and_then(|constraints| constraints.path_len_constraint);
        let (allowed, expected) = match role {
            Role::Root => (is_ca, "CA".into()),
            Role::Authority { path_len: own } => {
                (is_ca && path_len == Some(own), format!("CA, path length {own}"))
            }
            Role::Leaf => (!is_ca, "no CA".into()),
        };
        if allowed {
            return Ok(());
        }
        let found = match (is_ca, path_len) {
            (false, _) => "no CA".into(),
            (true, None) => "CA without path length".into(),
            (true, Some(path_len)) => format!("CA, path length {path_len}"),
        };
        Err(self.refuse(Code::CertificateConstraints, found, expected))
    }

    /// Refuses a certificate that is not valid at `now`. Both ends of its window belong to it (RFC 5280, 4.1.2.5).
    pub(crate) fn check_validity(&self, now: UnixTime) -> Result<(), Refusal> {
        let now = seconds(now);
        let window = self.window();
        let (code, expected) = match () {
            () if now < *window.start() => (
                Code::CertificateNotYetValid,
                format!("{} or later", window.start()),
            ),
            () if now > *window.end() => (Code::CertificateExpired, format!("{} or earlier", window.end())),
            () => return Ok(()),
        };
        let found = format!("the verifier's time {now}");
        Err(self.refuse(code, found, format!("{expected} (Unix seconds)")))
    }

    /// The seconds since the epoch at which the certificate is valid.
    pub(crate) fn window(&self) -> RangeInclusive<i64> {
        let validity = self.parsed.validity();
        validity.not_before.timestamp()..=validity.not_after.timestamp()
    }

    /// Refuses a certificate whose issuer is not `issuer`'s subject, byte for byte.
    pub(crate) fn check_issued_by(&self, issuer: &Certificate<'_>) -> Result<(), Refusal> {
        if self.parsed.issuer().as_raw() == issuer.parsed.subject().as_raw() {
            return Ok(());
        }
        Err(self.refuse(
            Code::ChainOrder,
            "another issuer",
            format!("the subject of {} as issuer", issuer.field),
        ))
    }

    /// Whether an attribute of the subject contains `word`.
    pub(crate) fn subject_contains(&self, word: &str) -> bool {
        self.parsed
            .subject()
            .iter_attributes()
            .filter_map(|attribute| attribute.as_str().ok())
            .any(|value| value.contains(word))
    }

    /// The public key as an uncompressed point, as [`check_algorithms`](Self::check_algorithms) demands it.
    pub(crate) fn point(&self) -> Result<&[u8; POINT_LEN], Refusal> {
        let point: &[u8] = &self.parsed.public_key().subject_public_key.data;
        point.try_into().map_err(|_| {
            self.refuse(
                Code::CertificateAlgorithm,
                "another key",
                "an uncompressed P-384 key",
            )
        })
    }

    fn refuse(&self, code: Code, found: impl Into<String>, expected: impl Into<String>) -> Refusal {
        Refusal::new(code, &self.field, found, expected)
    }
}

/// Seconds since the epoch, as certificates count them.
pub(crate) fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
