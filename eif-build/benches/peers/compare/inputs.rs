//! Inputs, made here: bytes that do not compress, and an image whose layers do.
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};

use crate::Outcome;

/// A file of `megabytes` MiB of noise.
pub(crate) fn noise(path: &Path, megabytes: u64, seed: u64) -> Outcome<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut state = seed | 1;
    for _ in 0..megabytes << 17 {
        file.write_all(&next(&mut state).to_le_bytes())?;
    }
    Ok(file.flush()?)
}

/// xorshift64 (Marsaglia 2003).
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// An OCI image in `folder` of two layers with `megabytes` MiB of files in all, which gzip makes half as large; `layer0`
/// and `layer1` are its layers.
pub(crate) fn image(folder: &Path, megabytes: u64) -> Outcome<()> {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let digest = |bytes: &[u8]| hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    let put = |bytes: &[u8]| -> io::Result<String> {
        fs::write(blobs.join(digest(bytes)), bytes)?;
        Ok(format!(
            r#""digest":"sha256:{}","size":{}"#,
            digest(bytes),
            bytes.len()
        ))
    };
    let (mut layers, mut diff_ids) = (Vec::new(), Vec::new());
    for layer in 0..2 {
        let plain = tar(layer, megabytes / 2)?;
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(&plain)?;
        let packed = packed.finish()?;
        diff_ids.push(format!(r#""sha256:{}""#, digest(&plain)));
        layers.push(format!(
            r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip",{}}}"#,
            put(&packed)?
        ));
        fs::hard_link(blobs.join(digest(&packed)), folder.join(format!("layer{layer}")))?;
    }
    let config = put(
        format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{"Cmd":["/a"]}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            diff_ids.join(",")
        )
        .as_bytes(),
    )?;
    let manifest = put(
        format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json",{config}}},"layers":[{}]}}"#,
            layers.join(",")
        )
        .as_bytes(),
    )?;
    fs::write(
        folder.join("index.json"),
        format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json",{manifest}}}]}}"#
        ),
    )?;
    Ok(fs::write(
        folder.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )?)
}

/// A layer of files of 64 KiB, half noise and half text, as programs and libraries are.
fn tar(layer: u64, megabytes: u64) -> Outcome<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut state = layer + 77;
    for number in 0..megabytes << 4 {
        let mut content = Vec::with_capacity(1 << 16);
        while content.len() < 1 << 16 {
            if content.len() & 0x1000 == 0 {
                content.extend(next(&mut state).to_le_bytes());
            } else {
                content.extend(WORDS[(next(&mut state) >> 40) as usize % WORDS.len()]);
            }
        }
        content.truncate(1 << 16);
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        archive.append_data(
            &mut header,
            format!("usr/{layer}/{}/{number}", number % 64),
            &content[..],
        )?;
    }
    Ok(archive.into_inner()?)
}

const WORDS: [&[u8]; 8] = [
    b"the enclave ",
    b"measures ",
    b"what is booted ",
    b"\0\0\0\0\0\0\0\0",
    b"and proves ",
    b"it to ",
    b"anyone. ",
    b"\x48\x89\xe5\x48",
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
