//! The chain from a root that the verifier holds down to the leaf.

use crate::certificate::{Certificate, Role};
use crate::crypto::CERTIFICATE_SIGNATURES;
use crate::document::Document;
use crate::refusal::{Code, Refusal};
use crate::root::Root;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

/// The places of `cabundle`: root, regional, zonal, instance. Every genuine chain has these and one leaf.
const AUTHORITIES: [Role; 4] = [
    Role::Root,
    Role::Authority { path_len: 2 },
    Role::Authority { path_len: 1 },
    Role::Authority { path_len: 0 },
];

/// A verified chain.
pub(crate) struct Chain<'a> {
    /// The root that it stands on.
    pub(crate) root: &'a Root,
    leaf: Certificate<'a>,
}

impl<'a> Chain<'a> {
    /// Verifies the chain of `document` at the verifier's time `now`. As AWS's rules have it, no CRL is asked.
    pub(crate) fn verify(document: &'a Document, roots: &'a [Root], now: UnixTime) -> Result<Self, Refusal> {
        let root = trusted(document, roots)?;
        let leaf = check_places(document, now)?;
        check_path(document, root, now)?;
        Ok(Self { root, leaf })
    }

    /// The leaf's public key: an uncompressed P-384 point.
    pub(crate) fn key(&self) -> &[u8] {
        self.leaf.point()
    }
}

/// The verifier's root that `cabundle` begins with. What the document brings is never trusted by itself.
fn trusted<'a>(document: &Document, roots: &'a [Root]) -> Result<&'a Root, Refusal> {
    let first = document.cabundle.first().map(Vec::as_slice);
    roots
        .iter()
        .find(|root| Some(root.der()) == first)
        .ok_or_else(|| {
            let held: Vec<_> = roots.iter().map(|root| root.trust().to_string()).collect();
            let expected = format!("a root that the verifier trusts ({})", held.join(", "));
            Refusal::new(Code::UnknownRoot, "cabundle[0]", "another certificate", expected)
        })
}

/// Checks each certificate for its place and returns the leaf.
fn check_places(document: &Document, now: UnixTime) -> Result<Certificate<'_>, Refusal> {
    if document.cabundle.len() != AUTHORITIES.len() {
        return Err(Refusal::new(
            Code::ChainLength,
            "cabundle",
            format!("{} certificates", document.cabundle.len()),
            format!("{}: root, regional, zonal, instance", AUTHORITIES.len()),
        ));
    }
    let mut issuer: Option<Certificate<'_>> = None;
    for (index, (der, role)) in document.cabundle.iter().zip(AUTHORITIES).enumerate() {
        issuer = Some(check_place(
            der,
            format!("cabundle[{index}]"),
            role,
            issuer.as_ref(),
            now,
        )?);
    }
    check_place(
        &document.certificate,
        "certificate".into(),
        Role::Leaf,
        issuer.as_ref(),
        now,
    )
}

fn check_place<'a>(
    der: &'a [u8],
    field: String,
    role: Role,
    issuer: Option<&Certificate<'_>>,
    now: UnixTime,
) -> Result<Certificate<'a>, Refusal> {
    let certificate = Certificate::parse(der, field)?;
    certificate.check_algorithms()?;
    if let Some(issuer) = issuer {
        certificate.check_issued_by(issuer)?;
    }
    certificate.check_role(role)?;
    certificate.check_validity(now)?;
    Ok(certificate)
}

/// Path validation (RFC 5280, 6): signatures, names, critical extensions, constraints.
fn check_path(document: &Document, root: &Root, now: UnixTime) -> Result<(), Refusal> {
    let root_der = CertificateDer::from(root.der());
    let anchor = webpki::anchor_from_trusted_cert(&root_der).map_err(|error| rejected(&error))?;
    let intermediates: Vec<_> = document
        .cabundle
        .iter()
        .skip(1)
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let leaf_der = CertificateDer::from(document.certificate.as_slice());
    let leaf = EndEntityCert::try_from(&leaf_der).map_err(|error| rejected(&error))?;
    let anchors = [anchor];
    let path = leaf
        .verify_for_usage(
            CERTIFICATE_SIGNATURES,
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
