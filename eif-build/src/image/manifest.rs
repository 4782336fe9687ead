//! Manifests, indexes and configurations: of the OCI image specification 1.1, and Docker's, which have the same fields.
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::Error;
use crate::{digest::Digest, rootfs::Limits};

/// The largest manifest or index, in bytes, as registries have it.
pub(super) const MAX_MANIFEST: u64 = 4 << 20;
/// The largest configuration, in bytes.
pub(super) const MAX_CONFIG: u64 = 8 << 20;

/// What is asked of a registry, and read.
pub(super) const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const CONFIG_TYPES: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];
/// How the media types of layers begin; how they are compressed is told by their bytes.
const LAYER_TYPES: [&str; 4] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
];

/// Points at a document or layer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    #[serde(default)]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The platform that it is for, in an index.
    pub platform: Option<Platform>,
    /// Such as its name, in a layout's index.
    #[serde(default)]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// A platform.
#[derive(Debug, Clone, Deserialize)]
pub struct Platform {
    /// Such as `amd64`.
    pub architecture: String,
    /// Such as `linux`.
    pub os: String,
}

/// An image's manifest.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
}

/// What a reference may lead to.
#[derive(Debug, Clone)]
pub enum Document {
    /// An image.
    Manifest(Manifest),
    /// An index: images for several platforms, or of several names.
    Index(Vec<Descriptor>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDocument {
    schema_version: u32,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

impl Document {
    /// Reads a manifest or an index.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let refuse = |problem: String| malformed("manifest", &problem);
        if json.len() as u64 > MAX_MANIFEST {
            return Err(refuse(format!("it is longer than {MAX_MANIFEST} bytes")));
        }
        let raw: RawDocument = serde_json::from_slice(json).map_err(|error| refuse(error.to_string()))?;
        if raw.schema_version != 2 {
            return Err(refuse(format!(
                "schema version {}; only 2 is read: push the image again",
                raw.schema_version
            )));
        }
        match (raw.config, raw.layers, raw.manifests) {
            (Some(config), Some(layers), None) => Ok(Self::Manifest(Manifest::new(config, layers)?)),
            (None, None, Some(manifests)) => Ok(Self::Index(manifests)),
            _ => Err(refuse("neither config and layers, nor manifests".into())),
        }
    }
}

impl Manifest {
    fn new(config: Descriptor, layers: Vec<Descriptor>) -> Result<Self, Error> {
        let refuse = |problem: String| malformed("manifest", &problem);
        if !CONFIG_TYPES.contains(&config.media_type.as_str()) {
            return Err(refuse(format!(
                "{:?} is not a container image's configuration",
                config.media_type
            )));
        }
        let is_layer = |layer: &&Descriptor| {
            LAYER_TYPES
                .iter()
                .any(|start| layer.media_type.starts_with(start))
                && !layer.media_type.contains("encrypted")
        };
        if let Some(other) = layers.iter().find(|layer| !is_layer(layer)) {
            return Err(refuse(format!(
                "{:?} is not a layer that can be unpacked",
                other.media_type
            )));
        }
        Ok(Self { config, layers })
    }

    /// Everything that it names.
    pub(super) fn blobs(&self) -> Vec<&Descriptor> {
        std::iter::once(&self.config).chain(&self.layers).collect()
    }

    /// Refuses an image that is larger than allowed, before anything of it is fetched.
    pub(super) fn check_limits(&self, limits: &Limits) -> Result<(), Error> {
        let bytes = self
            .layers
            .iter()
            .fold(0u64, |sum, layer| sum.saturating_add(layer.size));
        if bytes > limits.total_bytes {
            return Err(Error::TooLarge {
                what: format!("layers of {bytes} bytes"),
            });
        }
        if self.layers.len() > limits.layers {
            return Err(Error::TooLarge {
                what: format!("{} layers", self.layers.len()),
            });
        }
        if self.config.size > MAX_CONFIG {
            return Err(Error::TooLarge {
                what: format!("a configuration of {} bytes", self.config.size),
            });
        }
        Ok(())
    }
}

/// The entry of a multi-platform index for linux/amd64.
pub(super) fn select_platform(index: &[Descriptor]) -> Result<&Descriptor, Error> {
    let fits = |platform: &Platform| platform.os == "linux" && platform.architecture == "amd64";
    index
        .iter()
        .find(|entry| entry.platform.as_ref().is_some_and(fits))
        .ok_or_else(|| {
            let names = index.iter().take(20).filter_map(|entry| entry.platform.as_ref());
            let names: Vec<String> = names
                .map(|platform| format!("{}/{}", platform.os, platform.architecture))
                .collect();
            Error::Platform(contract::fault::printable(&names.join(", "), 300))
        })
}

/// An image's configuration, as far as an enclave uses it.
#[derive(Debug, Clone, Deserialize)]
pub struct ImageConfig {
    /// The processor it is for.
    pub architecture: String,
    /// The operating system it is for.
    pub os: String,
    /// How it is run.
    #[serde(default)]
    pub config: Option<Config>,
    /// Its layers.
    pub rootfs: RootFs,
}

/// The layers in a configuration.
#[derive(Debug, Clone, Deserialize)]
pub struct RootFs {
    /// The digest of each layer without its compression, lowest first.
    pub diff_ids: Vec<Digest>,
}

/// How an image is run. Health checks and volumes are not used.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)] // The fields of the specification, by their names there.
pub struct Config {
    pub user: Option<String>,
    pub exposed_ports: Option<BTreeMap<String, serde::de::IgnoredAny>>,
    pub env: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    pub cmd: Option<Vec<String>>,
    pub working_dir: Option<String>,
    pub labels: Option<BTreeMap<String, String>>,
    pub stop_signal: Option<String>,
}

impl ImageConfig {
    /// Reads a configuration; one for another platform is refused.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let config: Self =
            serde_json::from_slice(json).map_err(|error| malformed("configuration", &error.to_string()))?;
        if config.os != "linux" || config.architecture != "amd64" {
            let platform = format!("{}/{}", config.os, config.architecture);
            return Err(Error::Platform(contract::fault::printable(&platform, 100)));
        }
        Ok(config)
    }
}

/// What is wrong may quote the document, which may be long.
fn malformed(what: &'static str, problem: &str) -> Error {
    Error::Malformed {
        what,
        problem: contract::fault::printable(problem, 300),
    }
}

impl Config {
    /// The TCP ports that the image says it listens on, ascending: `80/tcp` and `80`, not `53/udp`.
    pub fn tcp_ports(&self) -> Vec<u16> {
        let ports = self.exposed_ports.iter().flat_map(BTreeMap::keys);
        let tcp = ports.filter_map(|port| match port.split_once('/') {
            Some((number, "tcp")) => number.parse().ok(),
            Some(_) => None,
            None => port.parse().ok(),
        });
        tcp.filter(|port| *port != 0)
            .collect::<BTreeSet<u16>>()
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_index_gives_its_amd64_entry() {
        let digest = Digest::of(b"");
        let entry = |arch: &str| {
            format!(
                r#"{{"mediaType":"m","digest":"{digest}","size":1,"platform":{{"os":"linux","architecture":"{arch}"}}}}"#
            )
        };
        let parse = |archs: [&str; 2]| {
            let json = format!(
                r#"{{"schemaVersion":2,"manifests":[{},{}]}}"#,
                entry(archs[0]),
                entry(archs[1])
            );
            match Document::parse(json.as_bytes()).unwrap() {
                Document::Index(index) => select_platform(&index).cloned(),
                Document::Manifest(_) => panic!("an index was read as a manifest"),
            }
        };
        assert!(parse(["arm64", "amd64"]).is_ok());
        assert!(
            parse(["arm64", "s390x"])
                .unwrap_err()
                .to_string()
                .contains("linux/arm64, linux/s390x")
        );
    }

    #[test]
    fn refuses_artifacts_old_schemas_and_other_platforms() {
        let digest = Digest::of(b"");
        let artifact = format!(
            r#"{{"schemaVersion":2,"layers":[],"config":{{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"{digest}","size":1}}}}"#
        );
        for bad in [
            artifact.as_str(),
            r#"{"schemaVersion":1}"#,
            r#"{"schemaVersion":2}"#,
            "[]",
            "",
        ] {
            assert!(Document::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let windows = r#"{"os":"windows","architecture":"amd64","rootfs":{"diff_ids":[]}}"#;
        assert!(matches!(
            ImageConfig::parse(windows.as_bytes()),
            Err(Error::Platform(_))
        ));
    }

    #[test]
    fn what_is_quoted_of_a_document_is_short() {
        let long = "x\u{1b}".repeat(1 << 16);
        let (quoted, digest) = (serde_json::to_string(&long).unwrap(), Digest::of(b""));
        let config = format!(r#"{{"mediaType":{quoted},"digest":"{digest}","size":1}}"#);
        let layers = config.replace(&quoted, &format!("\"{}\"", CONFIG_TYPES[0]));
        for json in [
            quoted.clone(),
            format!(r#"{{"schemaVersion":{quoted}}}"#),
            format!(r#"{{"schemaVersion":2,"layers":[],"config":{config}}}"#),
            format!(r#"{{"schemaVersion":2,"layers":[{config}],"config":{layers}}}"#),
        ] {
            let error = Document::parse(json.as_bytes()).unwrap_err().to_string();
            assert!(
                error.len() < 500 && !error.contains('\u{1b}'),
                "{} bytes",
                error.len()
            );
            let error = ImageConfig::parse(json.as_bytes()).unwrap_err().to_string();
            assert!(
                error.len() < 500 && !error.contains('\u{1b}'),
                "{} bytes",
                error.len()
            );
        }
    }

    #[test]
    fn ports_are_tcp_sorted_and_single() {
        let config: Config = serde_json::from_str(
            r#"{"ExposedPorts":{"443/tcp":{},"80":{},"80/tcp":{},"53/udp":{},"x/tcp":{}}}"#,
        )
        .unwrap();
        assert_eq!(config.tcp_ports(), [80, 443]);
    }

    proptest! {
        #[test]
        fn hostile_json_is_an_error_at_worst(json in r#"[\[\]{}",:0-9a-z]{0,200}"#) {
            let _ = Document::parse(json.as_bytes());
            let _ = ImageConfig::parse(json.as_bytes());
        }
    }
}
