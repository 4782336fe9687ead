//! An inspection as nitro-cli 1.5 prints it (`describe-eif`): its names, its order, its way of writing dates.
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::Inspection;
use crate::eif::{Certificate, Pcrs};

/// As OpenSSL prints a time: `Nov  1 09:30:00 2026 GMT`.
const OPENSSL_TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[month repr:short] [day padding:space] [hour]:[minute]:[second] [year] GMT");

impl Inspection {
    /// The JSON of nitro-cli's `describe-eif`: what is not there has no key.
    pub fn to_nitro_cli(&self) -> Value {
        let mut shape = Map::new();
        shape.insert("EifVersion".into(), json!(4));
        shape.insert("Measurements".into(), self.pcrs.to_nitro_cli());
        shape.insert("IsSigned".into(), json!(self.certificate.is_some()));
        if let Some(certificate) = &self.certificate {
            shape.insert("SigningCertificate".into(), signing(certificate));
        }
        shape.insert("CheckCRC".into(), json!(self.crc.intact().is_ok()));
        if self.certificate.is_some() {
            shape.insert("SignatureCheck".into(), json!(self.signature_problem.is_none()));
        }
        let metadata = &self.metadata;
        shape.insert("ImageName".into(), json!(metadata.image_name));
        shape.insert("ImageVersion".into(), json!(metadata.image_version));
        let mut flat = json!(metadata.build_metadata);
        if let Value::Object(flat) = &mut flat {
            flat.insert("DockerInfo".into(), metadata.docker_info.clone());
            if let Value::Object(custom) = &metadata.custom_metadata {
                flat.extend(custom.clone());
            }
        }
        shape.insert("Metadata".into(), flat);
        Value::Object(shape)
    }
}

impl Pcrs {
    /// nitro-cli's `Measurements`.
    pub fn to_nitro_cli(&self) -> Value {
        let mut all = json!({ "HashAlgorithm": "Sha384 { ... }" });
        if let (Value::Object(all), Value::Object(pcrs)) = (&mut all, json!(self)) {
            all.extend(pcrs);
        }
        all
    }
}

fn signing(certificate: &Certificate) -> Value {
    let time = |seconds| {
        let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
        time.and_then(|time| time.format(OPENSSL_TIME).ok())
            .unwrap_or_default()
    };
    // As the peer writes them: with Rust's escapes, without quotes, in the order of their names.
    let issuer: Map<String, Value> = certificate
        .issuer_attributes
        .iter()
        .map(|(name, value)| (name.clone(), json!(format!("{value:?}").replace('"', ""))))
        .collect();
    let octets: Vec<_> = certificate
        .issuer_signature
        .iter()
        .map(|octet| format!("{octet:02X}"))
        .collect();
    json!({
        "IssuerName": issuer,
        "Algorithm": certificate.issuer_algorithm,
        "NotBefore": time(certificate.not_before),
        "NotAfter": time(certificate.not_after),
        "Signature": octets.join(":"),
    })
}
