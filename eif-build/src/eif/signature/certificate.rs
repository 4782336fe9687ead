//! The signing certificate, and what goes with its key's curve.
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm,
};
use x509_parser::{
    objects::{oid_registry, oid2sn},
    oid_registry::Oid,
    pem::Pem,
    prelude::*,
    public_key::PublicKey,
};

use crate::eif::{Error, Pcr};

/// A curve.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

/// A curve, with the COSE algorithm that goes with it (RFC 9053, section 2.1).
pub(super) struct Scheme {
    pub(super) curve: Curve,
    pub(super) cose_algorithm: i64,
    pub(super) name: &'static str,
    /// The length of a public key: an uncompressed point, in bytes.
    point: usize,
    pub(super) signing: &'static EcdsaSigningAlgorithm,
    pub(super) verifying: &'static EcdsaVerificationAlgorithm,
}

static SCHEMES: [Scheme; 3] = [
    Scheme {
        curve: Curve::P256,
        cose_algorithm: -7,
        name: "ES256",
        point: 65,
        signing: &ECDSA_P256_SHA256_FIXED_SIGNING,
        verifying: &ECDSA_P256_SHA256_FIXED,
    },
    Scheme {
        curve: Curve::P384,
        cose_algorithm: -35,
        name: "ES384",
        point: 97,
        signing: &ECDSA_P384_SHA384_FIXED_SIGNING,
        verifying: &ECDSA_P384_SHA384_FIXED,
    },
    Scheme {
        curve: Curve::P521,
        cose_algorithm: -36,
        name: "ES512",
        point: 133,
        signing: &ECDSA_P521_SHA512_FIXED_SIGNING,
        verifying: &ECDSA_P521_SHA512_FIXED,
    },
];

/// A signing certificate, with a public key on P-256, P-384 or P-521.
#[derive(Clone)]
pub struct Certificate {
    pub(super) pem: Vec<u8>,
    der: Vec<u8>,
    pub(super) point: Vec<u8>,
    pub(super) scheme: &'static Scheme,
    /// Who issued it, as text.
    pub issuer: String,
    /// Who issued it: attributes by their long names (`commonName`), of several of a name the last.
    pub issuer_attributes: BTreeMap<String, String>,
    /// What its issuer signed it with, by OpenSSL's name: `ecdsa-with-SHA384`.
    pub issuer_algorithm: String,
    /// Its issuer's signature.
    pub issuer_signature: Vec<u8>,
    /// From when it is valid, in seconds since 1970.
    pub not_before: i64,
    /// Until when it is valid, in seconds since 1970.
    pub not_after: i64,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads the first certificate of a PEM file.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        let der = Pem::iter_from_buffer(pem)
            .map_while(Result::ok)
            .find(|block| block.label == "CERTIFICATE")
            .ok_or_else(|| Error::Key("no CERTIFICATE block in the PEM".into()))?
            .contents;
        let (rest, parsed) = X509Certificate::from_der(&der)
            .map_err(|error| Error::Key(format!("the certificate is not X.509: {error}")))?;
        if !rest.is_empty() {
            return Err(Error::Key("bytes follow the certificate".into()));
        }
        let point = parsed.public_key().subject_public_key.data.to_vec();
        let scheme = match parsed.public_key().parsed() {
            Ok(PublicKey::EC(_)) => SCHEMES.iter().find(|scheme| scheme.point == point.len()),
            _ => None,
        };
        let scheme = scheme
            .ok_or_else(|| Error::Key("the certificate's key is not on P-256, P-384 or P-521".into()))?;
        let (issuer, validity) = (parsed.issuer(), parsed.validity());
        let certificate = Self {
            pem: pem.to_vec(),
            point,
            scheme,
            issuer: issuer.to_string(),
            issuer_attributes: issuer.iter_attributes().map(attribute).collect(),
            issuer_algorithm: name(&parsed.signature_algorithm.algorithm),
            issuer_signature: parsed.signature_value.data.to_vec(),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            der: Vec::new(),
        };
        Ok(Self { der, ..certificate })
    }

    /// The certificate in DER; PCR8 is over these bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// PCR8 of an EIF that is signed with it.
    pub fn pcr8(&self) -> Pcr {
        Pcr::of([self.der()])
    }

    /// The name of the signature algorithm that goes with the certificate's key: ES256, ES384 or ES512.
    pub fn algorithm(&self) -> &'static str {
        self.scheme.name
    }

    /// Refuses a certificate that is not valid at `now`.
    pub fn check_dates(&self, now: SystemTime) -> Result<(), Error> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        if (self.not_before..=self.not_after).contains(&now) {
            return Ok(());
        }
        let (from, to) = (date(self.not_before), date(self.not_after));
        Err(Error::Signature(format!(
            "its certificate is valid from {from} to {to}, and it is {}; sign it again with one that is valid",
            date(now)
        )))
    }
}

/// Seconds since 1970 as RFC 3339, or as they are where that has no room for them.
fn date(seconds: i64) -> String {
    ::time::OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|date| date.format(&::time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_else(|| format!("second {seconds} of 1970"))
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> (String, String) {
    let value = attribute.attr_value();
    let text = attribute.as_str().map_or_else(
        |_| String::from_utf8_lossy(value.data).into_owned(),
        str::to_owned,
    );
    (name(attribute.attr_type()), text)
}

/// An object identifier's name, or its numbers where it has none.
fn name(oid: &Oid<'_>) -> String {
    oid2sn(oid, oid_registry()).map_or_else(|_| oid.to_id_string(), str::to_owned)
}
