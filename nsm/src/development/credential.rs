use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

use super::{Authority, Error, ModuleId};

const DAY: Duration = Duration::from_secs(86_400);
const LEAF_VALIDITY: Duration = Duration::from_secs(3 * 3_600);
/// The age at which a leaf is replaced. A document must outlast its signing; in genuine ones the leaf is at
/// most 8,523 s old.
const LEAF_RENEWAL: Duration = Duration::from_secs(9_000);

/// What a module signs documents with: a key, its certificate, and the chain above it.
pub(super) struct Credential {
    key: EcdsaKeyPair,
    /// The leaf certificate, DER.
    pub(super) certificate: Vec<u8>,
    /// The certificates above it, DER, from the root down.
    pub(super) cabundle: Vec<Vec<u8>>,
    issued: SystemTime,
}

impl Credential {
    /// A new key under a new chain, all valid from `now`, with AWS's four steps (regional, zonal, instance,
    /// leaf) and their validities. AWS keeps the upper ones for their time; here the root is at hand, so one
    /// rule renews all.
    pub(super) fn issue(authority: &Authority, id: &ModuleId, now: SystemTime) -> Result<Self, Error> {
        use KeyUsagePurpose::{CrlSign, DigitalSignature, KeyCertSign};
        let signing = [DigitalSignature, KeyCertSign, CrlSign];
        let name = |step: &str| distinguished_name(&format!("{step}.{}", id.instance_id()));
        let regional = intermediate(name("regional"), 2, &signing, now, DAY * 20, authority.issuer())?;
        let zonal = intermediate(name("zonal"), 1, &signing, now, DAY * 6, &regional)?;
        let instance = intermediate(
            distinguished_name(id.instance_id()),
            0,
            &[KeyCertSign],
            now,
            DAY,
            &zonal,
        )?;

        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384)?;
        let leaf = leaf_parameters(id, now).signed_by(&key, &instance)?;
        Ok(Self {
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, key.serialized_der())?,
            certificate: leaf.der().to_vec(),
            cabundle: vec![
                authority.certificate().to_vec(),
                regional.der().to_vec(),
                zonal.der().to_vec(),
                instance.der().to_vec(),
            ],
            issued: now,
        })
    }

    /// True once the leaf is near its end, and where the clock was set back to before its start.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        now.duration_since(self.issued)
            .map_or(true, |age| age >= LEAF_RENEWAL)
    }

    /// The ES384 signature of `message`: r ‖ s, 96 bytes.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.key.sign(&SystemRandom::new(), message)?.as_ref().to_vec())
    }
}

/// A CA certificate below `issuer`. AWS's also name places of revocation lists; there are none here.
fn intermediate(
    name: DistinguishedName,
    path_length: u8,
    usage: &[KeyUsagePurpose],
    now: SystemTime,
    validity: Duration,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<CertifiedIssuer<'static, KeyPair>, Error> {
    let mut parameters = parameters(name, now, validity);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    parameters.key_usages = usage.to_vec();
    parameters.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384)?;
    Ok(CertifiedIssuer::signed_by(parameters, key, issuer)?)
}

/// AWS's leaf has two extensions only, without key identifiers; rcgen's own way to say "no CA" would add one.
fn leaf_parameters(id: &ModuleId, now: SystemTime) -> CertificateParams {
    let mut no_ca = CustomExtension::from_oid_content(&[2, 5, 29, 19], vec![0x30, 0x00]);
    no_ca.set_criticality(true);
    // digitalSignature and nonRepudiation, a BIT STRING of two bits.
    let usage = CustomExtension::from_oid_content(&[2, 5, 29, 15], vec![0x03, 0x02, 0x06, 0xc0]);
    let mut parameters = parameters(distinguished_name(id.as_str()), now, LEAF_VALIDITY);
    parameters.custom_extensions = vec![no_ca, usage];
    parameters
}

fn parameters(name: DistinguishedName, now: SystemTime, validity: Duration) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = name;
    parameters.not_before = now.into();
    parameters.not_after = (now + validity).into();
    parameters
}

fn distinguished_name(of: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Treza");
    name.push(DnType::OrganizationalUnitName, "DEVELOPMENT");
    name.push(DnType::CommonName, format!("{of}.development.treza"));
    name
}
