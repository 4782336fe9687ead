//! The archive that `docker save` writes: `manifest.json` names a configuration and the layers.
use std::path::Path;

use serde::Deserialize;

use super::{
    Error, Image, ImageConfig, ImageRef,
    files::Files,
    join_layers,
    manifest::{MAX_CONFIG, MAX_MANIFEST},
};
use crate::{digest::Digest, rootfs::Limits};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    layers: Vec<String>,
}

/// Opens the one image of an archive. The layers have no digests of their own there; their diff_ids are checked.
pub(super) fn open(path: &Path, image: &ImageRef, limits: &Limits) -> Result<Image, Error> {
    let files = Files::archive(path)?;
    let json = files.need("manifest.json")?.read(MAX_MANIFEST)?;
    let entries: Vec<Entry> = serde_json::from_slice(&json).map_err(|error| malformed(error.to_string()))?;
    let [entry] = &entries[..] else {
        return Err(malformed(format!(
            "it has {} images; save one alone",
            entries.len()
        )));
    };
    if entry.layers.len() > limits.layers {
        return Err(Error::TooLarge {
            what: format!("{} layers", entry.layers.len()),
        });
    }
    let json = files.need(&entry.config)?.read(MAX_CONFIG)?;
    let digest = Digest::of(&json);
    if let Some(&expected) = image.digest().filter(|expected| **expected != digest) {
        return Err(Error::WrongDigest {
            what: "the image (its configuration)",
            expected,
            found: digest,
        });
    }
    let config = ImageConfig::parse(&json)?;
    let ranges = entry
        .layers
        .iter()
        .map(|name| Ok((None, files.need(name)?)))
        .collect::<Result<Vec<_>, Error>>()?;
    let layers = join_layers(ranges.into_iter(), &config)?;
    Ok(Image {
        digest,
        config,
        layers,
        in_use: None,
    })
}

fn malformed(problem: String) -> Error {
    Error::Malformed {
        what: "manifest.json",
        problem,
    }
}
