//! The chain from a root that the verifier holds down to the leaf.

use crate::certificate::{Certificate, Role};
use crate::crypto::{POINT_LEN, Provider, Signature};
use crate::payload::Payload;
use crate::refusal::{Code, Refusal};
use crate::root::Root;
use rustls_pki_types::{AlgorithmIdentifier, CertificateDer, InvalidSignature, alg_id};
use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime};
use std::ops::RangeInclusive;
use webpki::{EndEntityCert, KeyUsage};

/// The places of `cabundle`: root, regional, zonal, instance. Every genuine chain has these and one leaf.
const AUTHORITIES: [Role; 4] = [
    Role::Root,
    Role::Authority { path_len: 2 },
    Role::Authority { path_len: 1 },
    Role::Authority { path_len: 0 },
];

/// What is left to know of a chain that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    /// The leaf's public key.
    pub(crate) point: [u8; POINT_LEN],
    /// The seconds since the epoch at which all certificates are valid.
    pub(crate) window: RangeInclusive<i64>,
}

/// The verifier's root that `cabundle` begins with. What the document brings is never trusted by itself.
pub(crate) fn trusted<'r>(payload: &Payload<'_>, roots: &'r [Root]) -> Result<&'r Root, Refusal> {
    let first = payload.cabundle.first().copied();
    roots
        .iter()
        .find(|root| Some(root.der()) == first)
        .ok_or_else(|| {
            let held: Vec<_> = roots.iter().map(|root| root.trust().to_string()).collect();
            let expected = format!("a root that the verifier trusts ({})", held.join(", "));
            Refusal::new(Code::UnknownRoot, "cabundle[0]", "another certificate", expected)
        })
}

impl Chain {
    /// Verifies the chain of `payload`, which begins with `root`, at the time `now`. As AWS's rules have it, no CRL
    /// is asked.
    pub(crate) fn verify(
        payload: &Payload<'_>,
        root: &Root,
        provider: &dyn Provider,
        now: UnixTime,
    ) -> Result<Self, Refusal> {
        let chain = check_places(payload, now)?;
        check_path(payload, root, provider, now)?;
        Ok(chain)
    }
}

/// Checks each certificate for its place.
fn check_places(payload: &Payload<'_>, now: UnixTime) -> Result<Chain, Refusal> {
    if payload.cabundle.len() != AUTHORITIES.len() {
        return Err(Refusal::new(
            Code::ChainLength,
            "cabundle",
            format!("{} certificates", payload.cabundle.len()),
            format!("{}: root, regional, zonal, instance", AUTHORITIES.len()),
        ));
    }
    let mut window = i64::MIN..=i64::MAX;
    let mut issuer: Option<Certificate<'_>> = None;
    for (index, (der, role)) in payload.cabundle.iter().zip(AUTHORITIES).enumerate() {
        let place = Place {
            field: format!("cabundle[{index}]"),
            role,
            issuer: issuer.as_ref(),
        };
        issuer = Some(place.check(der, now, &mut window)?);
    }
    let place = Place {
        field: "certificate".into(),
        role: Role::Leaf,
        issuer: issuer.as_ref(),
    };
    let leaf = place.check(payload.certificate, now, &mut window)?;
    let point = *leaf.point()?;
    Ok(Chain { point, window })
}

/// A place of the chain, and the certificate of the place before it.
struct Place<'i, 'a> {
    field: String,
    role: Role,
    issuer: Option<&'i Certificate<'a>>,
}

impl Place<'_, '_> {
    /// Checks the certificate that stands here, and narrows the chain's window to its own.
    fn check<'a>(
        self,
        der: &'a [u8],
        now: UnixTime,
        window: &mut RangeInclusive<i64>,
    ) -> Result<Certificate<'a>, Refusal> {
        let certificate = Certificate::parse(der, self.field)?;
        certificate.check_algorithms()?;
        if let Some(issuer) = self.issuer {
            certificate.check_issued_by(issuer)?;
        }
        certificate.check_role(self.role)?;
        certificate.check_validity(now)?;
        let own = certificate.window();
        *window = *window.start().max(own.start())..=*window.end().min(own.end());
        Ok(certificate)
    }
}

/// Path validation (RFC 5280, 6): signatures, names, critical extensions, constraints.
fn check_path(
    payload: &Payload<'_>,
    root: &Root,
    provider: &dyn Provider,
    now: UnixTime,
) -> Result<(), Refusal> {
    let root_der = CertificateDer::from(root.der());
    let anchor = webpki::anchor_from_trusted_cert(&root_der).map_err(|error| rejected(&error))?;
    let intermediates: Vec<_> = payload
        .cabundle
        .iter()
        .skip(1)
        .map(|der| CertificateDer::from(*der))
        .collect();
    let leaf_der = CertificateDer::from(payload.certificate);
    let leaf = EndEntityCert::try_from(&leaf_der).map_err(|error| rejected(&error))?;
    let anchors = [anchor];
    let path = leaf
        .verify_for_usage(
            &[&EcdsaWithSha384(provider)],
            &anchors,
            &intermediates,
            now,
            KeyUsage::client_auth(), // AWS's certificates have no extended key usage; this asks for none.
            None,
            None,
        )
        .map_err(|error| rejected(&error))?;
    // The path is built from the bundle in any order and may leave certificates out; it has to be the bundle.
    if path
        .intermediate_certificates()
        .rev()
        .map(|certificate| certificate.der())
        .eq(intermediates.iter().cloned())
    {
        return Ok(());
    }
    Err(Refusal::new(
        Code::ChainOrder,
        "cabundle",
        "a path that is not the bundle",
        "every certificate in its place",
    ))
}

/// The one algorithm of the chain: ecdsa-with-SHA384 with a P-384 key.
#[derive(Debug)]
struct EcdsaWithSha384<'p>(&'p dyn Provider);

impl SignatureVerificationAlgorithm for EcdsaWithSha384<'_> {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let point = key.try_into().map_err(|_| InvalidSignature)?;
        match self.0.verifies(point, message, Signature::Der(signature)) {
            true => Ok(()),
            false => Err(InvalidSignature),
        }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P384
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA384
    }
}

fn rejected(error: &webpki::Error) -> Refusal {
    let code = match error {
        webpki::Error::InvalidSignatureForPublicKey => Code::CertificateSignature,
        _ => Code::CertificateRejected,
    };
    Refusal::new(
        code,
        "cabundle and certificate",
        format!("{error:?}"),
        "a valid chain from the root to the leaf",
    )
}
