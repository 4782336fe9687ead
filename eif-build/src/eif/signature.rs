//! The signature section: a certificate and a COSE_Sign1 (RFC 9052) over PCR0.
//!
//! CBOR: `[{"signing_certificate": PEM, "signature": COSE_Sign1}]`, and the COSE payload is
//! `{"register_index": 0, "register_value": PCR0}`. nitro-cli writes the three byte fields as arrays of integers, which
//! is written here too; byte strings are read as well.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
        ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, KeyPair, UnparsedPublicKey,
    },
};
use minicbor::{Decoder, Encoder, data::Type, encode::Write as CborWrite};
use x509_parser::{pem::Pem, prelude::*};

use super::{Error, Pcr};

/// The tag of a COSE_Sign1 (RFC 9052, section 2), which may stand before it.
const TAG_COSE_SIGN1: u64 = 18;

/// A curve, with the COSE algorithm that goes with it (RFC 9053, section 2.1).
struct Scheme {
    cose_algorithm: i64,
    name: &'static str,
    /// The length of a public key: an uncompressed point, in bytes.
    point: usize,
    signing: &'static EcdsaSigningAlgorithm,
    verifying: &'static EcdsaVerificationAlgorithm,
}

const SCHEMES: [Scheme; 3] = [
    Scheme {
        cose_algorithm: -7,
        name: "ES256",
        point: 65,
        signing: &ECDSA_P256_SHA256_FIXED_SIGNING,
        verifying: &ECDSA_P256_SHA256_FIXED,
    },
    Scheme {
        cose_algorithm: -35,
        name: "ES384",
        point: 97,
        signing: &ECDSA_P384_SHA384_FIXED_SIGNING,
        verifying: &ECDSA_P384_SHA384_FIXED,
    },
    Scheme {
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
    pem: Vec<u8>,
    der: Vec<u8>,
    point: Vec<u8>,
    scheme: &'static Scheme,
    /// Who issued it, as text.
    pub issuer: String,
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
        let der = pem_blocks(pem)
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
            Ok(x509_parser::public_key::PublicKey::EC(_)) => {
                SCHEMES.iter().find(|scheme| scheme.point == point.len())
            }
            _ => None,
        };
        let scheme = scheme
            .ok_or_else(|| Error::Key("the certificate's key is not on P-256, P-384 or P-521".into()))?;
        let issuer = parsed.issuer().to_string();
        let validity = parsed.validity();
        let (not_before, not_after) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        Ok(Self {
            pem: pem.to_vec(),
            der,
            point,
            scheme,
            issuer,
            not_before,
            not_after,
        })
    }

    /// The certificate in DER; PCR8 is over these bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
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
        let (from, to) = (self.not_before, self.not_after);
        Err(Error::Signature(format!(
            "its certificate is valid from {from} to {to} (seconds since 1970), it is {now}"
        )))
    }
}

/// A private key with its certificate.
#[derive(Debug)]
pub struct Signer {
    certificate: Certificate,
    key: EcdsaKeyPair,
}

impl Signer {
    /// Takes a certificate and a private key (SEC1 or PKCS#8), both PEM; the two must belong together.
    pub fn from_pem(certificate: &[u8], private_key: &[u8]) -> Result<Self, Error> {
        let certificate = Certificate::from_pem(certificate)?;
        let der = pem_blocks(private_key)
            .find(|block| matches!(block.label.as_str(), "PRIVATE KEY" | "EC PRIVATE KEY"))
            .ok_or_else(|| {
                Error::Key("no unencrypted PRIVATE KEY or EC PRIVATE KEY block in the PEM".into())
            })?
            .contents;
        let key = EcdsaKeyPair::from_private_key_der(certificate.scheme.signing, &der).map_err(|_| {
            Error::Key(format!(
                "the private key is not one for {}, as the certificate's",
                certificate.scheme.name
            ))
        })?;
        if key.public_key().as_ref() != certificate.point {
            return Err(Error::Key("the certificate is another key's".into()));
        }
        Ok(Self { certificate, key })
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The content of a signature section over PCR0.
    pub fn sign(&self, pcr0: &Pcr) -> Result<Vec<u8>, Error> {
        let protected = cbor(|out| {
            out.map(1)?
                .i64(1)?
                .i64(self.certificate.scheme.cose_algorithm)?
                .ok()
        })?;
        let payload = cbor(|out| {
            out.map(2)?.str("register_index")?.u64(0)?.str("register_value")?;
            integers(out, &pcr0.0)
        })?;
        let signature = self
            .key
            .sign(&SystemRandom::new(), &signed_bytes(&protected, &payload)?)
            .map_err(|_| Error::Key("the key did not sign".into()))?;
        let cose = cbor(|out| {
            out.array(4)?
                .bytes(&protected)?
                .map(0)?
                .bytes(&payload)?
                .bytes(signature.as_ref())?
                .ok()
        })?;
        cbor(|out| {
            out.array(1)?.map(2)?.str("signing_certificate")?;
            integers(out, &self.certificate.pem)?;
            out.str("signature")?;
            integers(out, &cose)
        })
    }
}

/// Verifies a signature section's content, and that it was made over `pcr0`.
pub fn verify_signature(section: &[u8], pcr0: &Pcr) -> Result<Certificate, Error> {
    let (pem, cose) = entry(section).map_err(malformed)?;
    let certificate = Certificate::from_pem(&pem)?;
    let cose = CoseSign1::decode(&cose).map_err(malformed)?;
    if cose.algorithm != certificate.scheme.cose_algorithm {
        let (found, name) = (cose.algorithm, certificate.scheme.name);
        return Err(Error::Signature(format!(
            "it says algorithm {found}, its certificate's key is for {name}"
        )));
    }
    UnparsedPublicKey::new(certificate.scheme.verifying, &certificate.point)
        .verify(&signed_bytes(cose.protected, cose.payload)?, cose.signature)
        .map_err(|_| {
            Error::Signature("it was not made with its certificate's key, or over something else".into())
        })?;
    let (register, value) = signed_register(cose.payload).map_err(malformed)?;
    if register != 0 || value != pcr0.0 {
        let value = hex::encode(value);
        return Err(Error::Signature(format!(
            "it is over PCR{register} = {value}, this file's PCR0 is {pcr0}"
        )));
    }
    Ok(certificate)
}

/// The certificate in a signature section.
pub(crate) fn certificate(section: &[u8]) -> Result<Certificate, Error> {
    Certificate::from_pem(&entry(section).map_err(malformed)?.0)
}

struct CoseSign1<'a> {
    protected: &'a [u8],
    algorithm: i64,
    payload: &'a [u8],
    signature: &'a [u8],
}

impl<'a> CoseSign1<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut input = Decoder::new(bytes);
        if input.datatype()? == Type::Tag && input.tag()?.as_u64() != TAG_COSE_SIGN1 {
            return Err("not tagged as COSE_Sign1".into());
        }
        expect(input.array()? == Some(4), "COSE_Sign1 is an array of four")?;
        let protected = input.bytes()?;
        expect(input.map()? == Some(0), "the unprotected header is not empty")?;
        let (payload, signature) = (input.bytes()?, input.bytes()?);
        expect(input.position() == bytes.len(), "bytes follow the COSE_Sign1")?;
        let mut header = Decoder::new(protected);
        expect(
            header.map()? == Some(1) && header.i64()? == 1,
            "the protected header has more than an algorithm",
        )?;
        let algorithm = header.i64()?;
        expect(
            header.position() == protected.len(),
            "bytes follow the protected header",
        )?;
        Ok(Self {
            protected,
            algorithm,
            payload,
            signature,
        })
    }
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

/// The Sig_structure of RFC 9052, section 4.4.
fn signed_bytes(protected: &[u8], payload: &[u8]) -> Result<Vec<u8>, Error> {
    cbor(|out| {
        out.array(4)?
            .str("Signature1")?
            .bytes(protected)?
            .bytes(&[])?
            .bytes(payload)?
            .ok()
    })
}

type Encoding<'a> = Encoder<&'a mut Vec<u8>>;
type Encoded = Result<(), minicbor::encode::Error<<Vec<u8> as CborWrite>::Error>>;

fn cbor(write: impl FnOnce(&mut Encoding<'_>) -> Encoded) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes)).map_err(|error| Error::Signature(error.to_string()))?;
    Ok(bytes)
}

fn integers(out: &mut Encoding<'_>, bytes: &[u8]) -> Encoded {
    out.array(bytes.len() as u64)?;
    for byte in bytes {
        out.u8(*byte)?;
    }
    Ok(())
}

/// Bytes, as a byte string or as an array of integers; never more than the `limit` bytes that they are read from.
fn bytes_or_integers(input: &mut Decoder<'_>, limit: usize) -> Result<Vec<u8>, Malformed> {
    if input.datatype()? == Type::Bytes {
        return Ok(input.bytes()?.to_vec());
    }
    let count = input.array()?.ok_or("an array of unknown length")?;
    expect(count <= limit as u64, "an array longer than what holds it")?;
    (0..count).map(|_| Ok(input.u8()?)).collect()
}

/// What is wrong with CBOR, as text.
type Malformed = Box<dyn std::error::Error + Send + Sync>;

fn expect(kept: bool, otherwise: &'static str) -> Result<(), Malformed> {
    if kept { Ok(()) } else { Err(otherwise.into()) }
}

fn malformed(error: Malformed) -> Error {
    Error::Signature(error.to_string())
}

fn pem_blocks(pem: &[u8]) -> impl Iterator<Item = Pem> + '_ {
    Pem::iter_from_buffer(pem).map_while(Result::ok)
}
