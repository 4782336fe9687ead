//! The peer as nitro-cli calls it: aws-nitro-enclaves-image-format, one command a process, so that its memory can be read.
//!
//! ```text
//! peer build KERNEL CMDLINE OUTPUT METADATA.json RAMDISK…    peer describe EIF
//! peer sign EIF CERTIFICATE KEY                              peer check EIF
//! ```
use std::{env, error::Error, fs, path::Path};

use aws_nitro_enclaves_image_format::{
    defs::EifIdentityInfo,
    utils::{EifBuilder, EifSigner, PcrSignatureChecker, SignKeyData, eif_reader::EifReader},
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha384};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match &arguments[..] {
        ["build", kernel, cmdline, output, metadata, ramdisks @ ..] => {
            build(kernel, cmdline, output, metadata, ramdisks)?;
        }
        ["describe", eif] => println!("{:#}", describe(eif)?),
        ["sign", eif, certificate, key] => {
            let key = SignKeyData::new(key, Path::new(certificate))?;
            EifSigner::new(Some(key)).ok_or("no key")?.sign_image(eif)?;
        }
        ["check", eif] => PcrSignatureChecker::from_eif(eif)?.verify()?,
        _ => return Err("see the head of peer.rs".into()),
    }
    Ok(())
}

/// `build-enclave`, after Docker and linuxkit.
fn build(
    kernel: &str,
    cmdline: &str,
    output: &str,
    metadata: &str,
    ramdisks: &[&str],
) -> Result<(), Box<dyn Error>> {
    let metadata: EifIdentityInfo = serde_json::from_slice(&fs::read(metadata)?)?;
    let mut builder = EifBuilder::new(
        Path::new(kernel),
        cmdline.to_owned(),
        None,
        Sha384::new(),
        0,
        metadata,
    );
    ramdisks
        .iter()
        .for_each(|ramdisk| builder.add_ramdisk(Path::new(ramdisk)));
    let mut file = fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(output)?;
    println!("{:#}", json!({ "Measurements": builder.write_to(&mut file) }));
    Ok(())
}

/// `describe-eif`: what nitro-cli prints of it, in its order.
fn describe(eif: &str) -> Result<Value, Box<dyn Error>> {
    let mut reader = EifReader::from_eif(eif.to_owned())?;
    let mut measurements = reader.get_measurements()?;
    // The name is how the crate sha2 writes its type, which another version does otherwise; this is nitro-cli 1.5's.
    measurements.insert("HashAlgorithm".into(), "Sha384 { ... }".into());
    let mut shape = Map::new();
    shape.insert("EifVersion".into(), json!(reader.get_header().version));
    shape.insert("Measurements".into(), json!(measurements));
    shape.insert("IsSigned".into(), json!(reader.signature_section.is_some()));
    if reader.signature_section.is_some() {
        let certificate = reader.get_certificate_info(measurements)?;
        shape.insert("SigningCertificate".into(), json!(certificate));
    }
    shape.insert("CheckCRC".into(), json!(reader.check_crc()));
    if let Some(sound) = reader.sign_check {
        shape.insert("SignatureCheck".into(), json!(sound));
    }
    if let Some(Value::Object(metadata)) = reader.get_metadata().map(|metadata| json!(metadata)) {
        shape.insert("ImageName".into(), metadata["ImageName"].clone());
        shape.insert("ImageVersion".into(), metadata["ImageVersion"].clone());
        let mut flat = metadata["BuildMetadata"].clone();
        if let (Some(flat), custom) = (flat.as_object_mut(), &metadata["CustomMetadata"]) {
            flat.insert("DockerInfo".into(), metadata["DockerInfo"].clone());
            flat.extend(custom.as_object().cloned().unwrap_or_default());
        }
        shape.insert("Metadata".into(), flat);
    }
    Ok(Value::Object(shape))
}
