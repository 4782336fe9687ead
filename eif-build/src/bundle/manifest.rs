//! A bundle's manifest, by which it is named.
use serde::{Deserialize, Serialize};

use super::Machine;
use crate::digest::Digest;

/// A bundle's manifest; the bundle's digest is the SHA-256 of its canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// The version of the manifest.
    pub format: ManifestFormat,
    /// The version of the builder's format that the bundle is for: [`super::BUILDER_FORMAT`] when it was made.
    pub builder_format: u32,
    /// The machine that boots it.
    pub machine: Machine,
    /// The kernel, a bzImage.
    pub kernel: Digest,
    /// The command line, without a line's end.
    pub cmdline: Digest,
    /// The boot ramdisk.
    pub boot: Digest,
}

/// The version of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManifestFormat {
    /// Version 1.
    #[serde(rename = "treza/bundle/1")]
    V1,
}

impl Manifest {
    /// Reads a manifest, which is canonical. It may be for another builder: that is for [`super::Bundle::check_builder`].
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if manifest.to_json() != json {
            return Err("not in its canonical form".into());
        }
        Ok(manifest)
    }

    /// The canonical JSON: fields in their order here, no white space.
    pub fn to_json(&self) -> Vec<u8> {
        // Digests, a number and two names: nothing here can fail to be JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
