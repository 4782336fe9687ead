//! Roots of trust.

use crate::certificate::{Certificate, Role};
use crate::refusal::Refusal;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::fmt;

/// AWS's root certificate G1, `CN=aws.nitro-enclaves`, valid until 2049-10-28. AWS publishes it at
/// <https://aws-nitro-enclaves.amazonaws.com/AWS_NitroEnclaves_Root-G1.zip>; SHA-256 of the DER:
/// 641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b.
const AWS_NITRO_G1: &[u8] = include_bytes!("aws-nitro-root-g1.der");

/// The word in a root's subject that says that nothing of value stands on it.
const DEVELOPMENT: &str = "DEVELOPMENT";

/// What a verified document stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trust {
    /// AWS's root, byte for byte: Nitro hardware signed the document.
    AwsNitro,
    /// A root whose subject contains "DEVELOPMENT": an emulated enclave. Proves nothing about hardware.
    Development,
    /// Another root that the verifier was given.
    Custom,
}

impl Trust {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::AwsNitro, Self::Development, Self::Custom];

    /// The stable, machine-readable spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwsNitro => "aws-nitro",
            Self::Development => "development",
            Self::Custom => "custom",
        }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a certificate cannot serve as a root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// Not exactly one certificate in PEM.
    #[error("the root is not one PEM certificate: {0}; give a file with one CERTIFICATE block")]
    Pem(String),
    /// Not a P-384 certificate authority.
    #[error("the certificate cannot be a root: {0}")]
    Unsuitable(#[from] Refusal),
}

/// A root certificate that a verifier trusts.
#[derive(Clone, PartialEq, Eq)]
pub struct Root {
    der: Vec<u8>,
    trust: Trust,
}

impl Root {
    /// The root of AWS Nitro Enclaves, built in.
    #[must_use]
    pub fn aws_nitro() -> Self {
        Self {
            der: AWS_NITRO_G1.to_vec(),
            trust: Trust::AwsNitro,
        }
    }

    /// A root of one's own, as a single `CERTIFICATE` block in PEM.
    ///
    /// # Errors
    /// [`RootError::Pem`] if there is not exactly one certificate, [`RootError::Unsuitable`] as for
    /// [`from_der`](Self::from_der).
    pub fn from_pem(pem: &str) -> Result<Self, RootError> {
        let mut certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
        match (certificates.next(), certificates.next()) {
            (Some(Ok(certificate)), None) => Self::from_der(&certificate),
            (Some(Err(error)), _) | (_, Some(Err(error))) => Err(RootError::Pem(error.to_string())),
            (None, _) => Err(RootError::Pem("no certificate".into())),
            (_, Some(Ok(_))) => Err(RootError::Pem("more than one certificate".into())),
        }
    }

    /// A root of one's own in DER.
    ///
    /// # Errors
    /// [`RootError::Unsuitable`] if it is not a certificate authority with a P-384 key, signed with
    /// ecdsa-with-SHA384, that may sign certificates. Its validity is judged when it is used.
    pub fn from_der(der: &[u8]) -> Result<Self, RootError> {
        let certificate = Certificate::parse(der, "root")?;
        certificate.check_algorithms()?;
        certificate.check_role(Role::Root)?;
        let trust = if der == AWS_NITRO_G1 {
            Trust::AwsNitro
        } else if certificate.subject_contains(DEVELOPMENT) {
            Trust::Development
        } else {
            Trust::Custom
        };
        Ok(Self {
            der: der.to_vec(),
            trust,
        })
    }

    /// The certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What a document under this root stands on.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.trust
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root")
            .field("trust", &self.trust)
            .field("der_len", &self.der.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn the_built_in_root_is_the_one_that_aws_publishes() {
        assert_eq!(
            hex::encode(crate::crypto::default().sha256(AWS_NITRO_G1)),
            "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"
        );
        assert_eq!(Root::from_der(AWS_NITRO_G1).unwrap(), Root::aws_nitro());
    }

    #[test]
    fn one_changed_byte_is_no_longer_the_root_of_aws() {
        let mut der = AWS_NITRO_G1.to_vec();
        *der.last_mut().unwrap() ^= 1;
        assert_eq!(Root::from_der(&der).unwrap().trust(), Trust::Custom);
    }

    #[test]
    fn what_is_not_one_certificate_is_refused() {
        let block = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(Root::from_pem(""), Err(RootError::Pem(_))));
        assert!(matches!(Root::from_pem(&block.repeat(2)), Err(RootError::Pem(_))));
        assert!(matches!(Root::from_pem(block), Err(RootError::Unsuitable(_))));
        assert!(matches!(Root::from_der(b""), Err(RootError::Unsuitable(_))));
    }
}
