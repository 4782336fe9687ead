//! What is printed: JSON of nitro-cli's shapes where nitro-cli has one, and text for people.
use eif_build::{
    Inspection, Measurement,
    bundle::Bundle,
    digest::Digest,
    eif::{Certificate, Pcrs},
    image::Blob,
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A result in both forms.
pub(super) struct Printed {
    json: Value,
    text: String,
}

impl Printed {
    pub(super) fn show(&self, json: bool) {
        if json {
            println!("{:#}", self.json)
        } else {
            print!("{}", self.text)
        }
    }
}

/// Registers as nitro-cli prints them.
pub(super) fn measurements(pcrs: &Pcrs) -> Printed {
    Printed {
        json: json!({ "Measurements": measured(pcrs) }),
        text: table(pcrs),
    }
}

pub(super) fn measurement(measurement: &Measurement) -> Printed {
    let Measurement {
        image_digest,
        bundle,
        pcrs,
        size,
        ..
    } = measurement;
    let json = json!({
        "Measurements": measured(pcrs), "ImageDigest": image_digest, "Bundle": bundle, "Size": size,
    });
    Printed {
        json,
        text: format!(
            "image   {image_digest}\nbundle  {bundle}\nsize    {size}\n{}",
            table(pcrs)
        ),
    }
}

pub(super) fn verified(pcrs: &Pcrs, certificate: &Certificate) -> Printed {
    let json = json!({
        "Measurements": measured(pcrs), "SignatureCheck": true, "SigningCertificate": signing(certificate),
    });
    let signed = format!("signed  {} by {}\n", certificate.algorithm(), certificate.issuer);
    Printed {
        json,
        text: signed + &table(pcrs),
    }
}

/// `describe-eif` of nitro-cli. The signature itself is not verified here.
pub(super) fn inspection(found: &Inspection) -> Printed {
    let metadata = &found.metadata;
    let mut flat = json!(metadata.build_metadata);
    if let Value::Object(flat) = &mut flat {
        flat.insert("DockerInfo".into(), metadata.docker_info.clone());
        if let Value::Object(custom) = &metadata.custom_metadata {
            flat.extend(custom.clone());
        }
    }
    let json = json!({
        "EifVersion": 4,
        "Measurements": measured(&found.pcrs),
        "IsSigned": found.certificate.is_some(),
        "SigningCertificate": found.certificate.as_ref().map(signing),
        "CheckCRC": true,
        "ImageName": metadata.image_name,
        "ImageVersion": metadata.image_version,
        "Metadata": flat,
        "Sections": found.sections,
        "Image": found.description,
    });
    let mut text = format!(
        "name     {} {}\nsize     {}\n",
        metadata.image_name, metadata.image_version, found.size
    );
    text += &format!("cmdline  {}\n", found.cmdline);
    for section in &found.sections {
        text += &format!(
            "{:<8} {} bytes at {}\n",
            format!("{:?}", section.kind).to_lowercase(),
            section.size,
            section.offset
        );
    }
    if let Some(image) = &found.description {
        text += &format!("image    {}\n", image.digest);
    }
    if let Some(certificate) = &found.certificate {
        text += &format!(
            "signed   {} by {} (not verified)\n",
            certificate.algorithm(),
            certificate.issuer
        );
    }
    Printed {
        json,
        text: text + &table(&found.pcrs),
    }
}

pub(super) fn bundle(bundle: &Bundle) -> Printed {
    let (digest, pcr1) = (bundle.digest(), bundle.pcr1());
    let json = json!({ "Bundle": digest, "PCR1": pcr1, "Manifest": bundle.manifest() });
    Printed {
        json,
        text: format!("{digest}\n"),
    }
}

pub(super) fn bundles(digests: &[Digest], default: Option<Digest>) -> Printed {
    let line = |digest: &Digest| {
        format!(
            "{digest}{}\n",
            if default == Some(*digest) {
                " (default)"
            } else {
                ""
            }
        )
    };
    Printed {
        json: json!({ "Bundles": digests, "Default": default }),
        text: digests.iter().map(line).collect(),
    }
}

/// What is in the cache.
pub(super) fn cached(blobs: &[Blob]) -> Printed {
    let used = |blob: &Blob| {
        let used = OffsetDateTime::from(blob.used).replace_nanosecond(0).ok();
        used.and_then(|used| used.format(&Rfc3339).ok())
            .unwrap_or_default()
    };
    let line = |blob: &Blob| format!("{}  {:>12}  {}\n", blob.digest, blob.size, used(blob));
    let entry = |blob: &Blob| json!({ "Digest": blob.digest, "Size": blob.size, "Used": used(blob) });
    let total = Blob::total(blobs);
    Printed {
        json: json!({ "Blobs": blobs.iter().map(entry).collect::<Vec<_>>(), "Size": total }),
        text: blobs.iter().map(line).collect::<String>()
            + &format!("{total} bytes in {} blobs\n", blobs.len()),
    }
}

/// What was removed from the cache.
pub(super) fn removed(blobs: &[Blob]) -> Printed {
    let (count, total) = (blobs.len(), Blob::total(blobs));
    Printed {
        json: json!({ "Removed": count, "Size": total }),
        text: format!("removed {total} bytes in {count} blobs\n"),
    }
}

fn measured(pcrs: &Pcrs) -> Value {
    let mut all = json!({ "HashAlgorithm": "Sha384 { ... }" });
    if let (Value::Object(all), Value::Object(pcrs)) = (&mut all, json!(pcrs)) {
        all.extend(pcrs);
    }
    all
}

fn table(pcrs: &Pcrs) -> String {
    let Pcrs {
        pcr0,
        pcr1,
        pcr2,
        pcr8,
    } = pcrs;
    let signed = pcr8.map(|pcr8| format!("PCR8    {pcr8}\n")).unwrap_or_default();
    format!("PCR0    {pcr0}\nPCR1    {pcr1}\nPCR2    {pcr2}\n{signed}")
}

fn signing(certificate: &Certificate) -> Value {
    let time = |seconds| {
        OffsetDateTime::from_unix_timestamp(seconds)
            .ok()
            .and_then(|time| time.format(&Rfc3339).ok())
    };
    json!({
        "IssuerName": certificate.issuer,
        "Algorithm": certificate.algorithm(),
        "NotBefore": time(certificate.not_before),
        "NotAfter": time(certificate.not_after),
    })
}
