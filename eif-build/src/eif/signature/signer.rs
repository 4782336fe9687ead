//! Signing: the same key over the same PCR0 gives the same bytes.
//!
//! aws-lc-rs draws the number `k` of each ECDSA signature at random, so two signed files of the same image would differ.
//! RustCrypto's curves work it out from key and content (RFC 6979); what they give is verified by aws-lc-rs before it
//! leaves.
use aws_lc_rs::{
    encoding::AsBigEndian,
    signature::{EcdsaKeyPair, KeyPair},
};
use p256::ecdsa::signature::Signer as _;
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use zeroize::Zeroize;

#[cfg(feature = "kms")]
use super::kms;
use super::{
    Certificate, Signature,
    certificate::Curve,
    cose::{cbor, integers, signed_bytes},
};
use crate::eif::{Error, Pcr};

/// A private key with its certificate. The key is overwritten when it is dropped.
pub struct Signer {
    certificate: Certificate,
    key: Key,
}

enum Key {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
    #[cfg(feature = "kms")]
    Kms(kms::Key),
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// Takes a certificate and a private key (SEC1 or PKCS#8), both PEM; the two must belong together.
    pub fn from_pem(certificate: &[u8], private_key: &[u8]) -> Result<Self, Error> {
        let certificate = Certificate::from_pem(certificate)?;
        let mut der = PrivateKeyDer::from_pem_slice(private_key).map_err(|_| {
            Error::Key(
                "no unencrypted PRIVATE KEY or EC PRIVATE KEY block in the PEM; decrypt it with `openssl pkey`"
                    .into(),
            )
        })?;
        let pair = EcdsaKeyPair::from_private_key_der(certificate.scheme.signing, der.secret_der());
        der.zeroize();
        let pair = pair.map_err(|_| {
            Error::Key(format!(
                "the private key is not one for {}, as the certificate's",
                certificate.algorithm()
            ))
        })?;
        if pair.public_key().as_ref() != certificate.point {
            return Err(Error::Key("the certificate is another key's".into()));
        }
        let key = Key::new(certificate.scheme.curve, &pair)
            .ok_or_else(|| Error::Key("the private key is out of its curve's range".into()))?;
        Ok(Self { certificate, key })
    }

    /// Takes a certificate, PEM, and the ARN of the key in AWS KMS that it is for. KMS is asked when something is signed, with
    /// the AWS credentials that the SDK finds (environment, profile, instance).
    #[cfg(feature = "kms")]
    pub fn from_kms(certificate: &[u8], arn: &str) -> Result<Self, Error> {
        let certificate = Certificate::from_pem(certificate)?;
        let key = Key::Kms(kms::Key::new(arn, certificate.scheme.curve)?);
        Ok(Self { certificate, key })
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The content of a signature section over PCR0: the same each time, if the key is not KMS's.
    pub fn sign(&self, pcr0: &Pcr) -> Result<Vec<u8>, Error> {
        let scheme = self.certificate.scheme;
        let protected = cbor(|out| out.map(1)?.i64(1)?.i64(scheme.cose_algorithm)?.ok())?;
        let payload = cbor(|out| {
            out.map(2)?.str("register_index")?.u64(0)?.str("register_value")?;
            integers(out, &pcr0.0)
        })?;
        let signature = self.key.sign(&signed_bytes(&protected, &payload)?)?;
        let cose = cbor(|out| {
            out.array(4)?
                .bytes(&protected)?
                .map(0)?
                .bytes(&payload)?
                .bytes(&signature)?
                .ok()
        })?;
        let section = cbor(|out| {
            out.array(1)?.map(2)?.str("signing_certificate")?;
            integers(out, &self.certificate.pem)?;
            out.str("signature")?;
            integers(out, &cose)
        })?;
        let written = Signature::parse(&section)?;
        written.check_key()?;
        written.check_value(pcr0)?;
        Ok(section)
    }
}

impl Key {
    fn new(curve: Curve, pair: &EcdsaKeyPair) -> Option<Self> {
        let scalar = pair.private_key().as_be_bytes().ok()?;
        let scalar = scalar.as_ref();
        Some(match curve {
            Curve::P256 => Self::P256(p256::ecdsa::SigningKey::from_slice(scalar).ok()?),
            Curve::P384 => Self::P384(p384::ecdsa::SigningKey::from_slice(scalar).ok()?),
            Curve::P521 => Self::P521(p521::ecdsa::SigningKey::from_slice(scalar).ok()?),
        })
    }

    /// r and s, each as long as the curve's field.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |_| Error::Key("the key did not sign".into());
        Ok(match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.try_sign(message).map_err(failed)?;
                signature.to_bytes().to_vec()
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature = key.try_sign(message).map_err(failed)?;
                signature.to_bytes().to_vec()
            }
            Self::P521(key) => {
                let signature: p521::ecdsa::Signature = key.try_sign(message).map_err(failed)?;
                signature.to_bytes().to_vec()
            }
            #[cfg(feature = "kms")]
            Self::Kms(key) => key.sign(message)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6979, appendix A.2.5, A.2.6 and A.2.7: private key, and the signature of "sample" with the curve's own hash.
    #[test]
    fn signatures_are_those_of_rfc_6979() {
        let vectors: [(Curve, &str, &str, &str); 3] = [
            (
                Curve::P256,
                "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
                "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
                "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
            ),
            (
                Curve::P384,
                "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
                "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
                "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
            ),
            (
                Curve::P521,
                "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75CAA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB89EC0C08B0E996B83538",
                "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA",
                "00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A",
            ),
        ];
        for (curve, private, r, s) in vectors {
            let private = hex::decode(private).unwrap();
            let key = match curve {
                Curve::P256 => Key::P256(p256::ecdsa::SigningKey::from_slice(&private).unwrap()),
                Curve::P384 => Key::P384(p384::ecdsa::SigningKey::from_slice(&private).unwrap()),
                Curve::P521 => Key::P521(p521::ecdsa::SigningKey::from_slice(&private).unwrap()),
            };
            let signature = hex::encode_upper(key.sign(b"sample").unwrap());
            assert_eq!(signature, format!("{r}{s}"));
        }
    }
}
