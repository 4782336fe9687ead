//! The daemon's configuration: a TOML file. A key that nobody knows is an error, not a wish that is ignored.

use crate::Error;
use crate::files::read_bounded;
use attestation::Root;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::{Connection, Tables};

/// What the daemon is told at its start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where everything of this host stands; see [`crate::state_dir::StateDir`].
    pub state_dir: PathBuf,
    /// This host's EC2 instance id, `i-` and 17 hexadecimal digits; if it is not given, see [`crate::identity`].
    pub instance_id: Option<String>,
    /// Where the ingress listens; if it is not given, see [`crate::identity`].
    pub address: Option<IpAddr>,
    /// The region of the tables; a row that names another is refused.
    pub region: String,
    /// DynamoDB, where it is not AWS's own.
    pub dynamodb_endpoint: Option<String>,
    /// S3, where it is not AWS's own.
    pub s3_endpoint: Option<String>,
    /// The tables.
    pub tables: TableNames,
    /// The store of bundles.
    pub bundles: PathBuf,
    /// What runs the enclaves.
    pub driver: DriverName,
    /// Milliseconds between two looks at the table.
    #[serde(default = "default_poll")]
    pub poll_ms: u64,
    /// Seconds between two reports where nothing changed.
    #[serde(default = "default_report")]
    pub report_seconds: u64,
    /// Roots that evidence may stand on (PEM files), besides AWS's, which is built in, and the development CA of the
    /// emulator below.
    #[serde(default)]
    pub trust_roots: Vec<PathBuf>,
    /// The directory of the emulator's development CA; `ca` in the state directory if it is not given.
    pub development_ca: Option<PathBuf>,
    /// How much of everything.
    #[serde(default)]
    pub limits: Limits,
}

/// The names of the tables.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableNames {
    /// The rows.
    pub rows: String,
    /// The hosts' reports.
    pub reports: String,
}

/// What runs the enclaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverName {
    /// QEMU with a development NSM.
    Emulator,
}

/// How much of everything.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Enclaves at once.
    pub enclaves: usize,
    /// Bytes of one EIF.
    pub eif_bytes: u64,
    /// Bytes of all EIFs that are kept for another launch.
    pub cache_bytes: u64,
    /// Seconds to fetch and build an image.
    pub image_seconds: u64,
    /// Seconds from the launch to the heartbeat. A busy machine without KVM needs ten.
    pub heartbeat_seconds: u64,
    /// Seconds that an agent which answered before may be silent.
    pub silence_seconds: u64,
    /// Seconds that an application has to end when it is asked to.
    pub stop_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            enclaves: 16,
            eif_bytes: 4 << 30,
            cache_bytes: 8 << 30,
            image_seconds: 900,
            heartbeat_seconds: 60,
            silence_seconds: 60,
            stop_seconds: 10,
        }
    }
}

fn default_poll() -> u64 {
    200
}

fn default_report() -> u64 {
    30
}

impl Config {
    /// Reads and checks the file at `path`.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |problem: String| Error::Config {
            path: path.to_owned(),
            problem,
        };
        let bytes = read_bounded(path, 64 * 1024).map_err(|error| wrong(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if config
            .instance_id
            .as_deref()
            .is_some_and(|id| !is_instance_id(id))
        {
            return Err("instance_id must be i- and 17 hexadecimal digits".into());
        }
        if !config.state_dir.is_absolute() || !config.bundles.is_absolute() {
            return Err("state_dir and bundles must be absolute paths".into());
        }
        if config.poll_ms == 0 || config.report_seconds == 0 {
            return Err("poll_ms and report_seconds must be 1 or more".into());
        }
        Ok(config)
    }

    /// How tables and objects are reached.
    pub fn connection(&self) -> Connection {
        Connection {
            endpoint: self.dynamodb_endpoint.clone(),
            region: self.region.clone(),
            s3_endpoint: self.s3_endpoint.clone(),
            profile: None,
        }
    }

    /// The tables.
    pub fn tables(&self) -> Tables {
        Tables {
            rows: self.tables.rows.clone(),
            reports: self.tables.reports.clone(),
            ..Tables::default()
        }
    }

    /// The directory of the development CA.
    pub fn development_ca(&self) -> PathBuf {
        self.development_ca
            .clone()
            .unwrap_or_else(|| self.state_dir.join("ca"))
    }

    /// The time between two looks at the table.
    pub fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }

    /// The time between two reports where nothing changed.
    pub fn report_interval(&self) -> Duration {
        Duration::from_secs(self.report_seconds)
    }

    /// AWS's root and those in `trust_roots`.
    pub fn roots(&self) -> Result<Vec<Root>, Error> {
        let mut roots = vec![Root::aws_nitro()];
        for path in &self.trust_roots {
            let wrong = |problem: String| Error::Config {
                path: path.clone(),
                problem,
            };
            let bytes = read_bounded(path, 64 * 1024).map_err(|error| wrong(error.to_string()))?;
            let pem = String::from_utf8_lossy(&bytes);
            roots.push(Root::from_pem(&pem).map_err(|error| wrong(error.to_string()))?);
        }
        Ok(roots)
    }
}

pub(crate) fn is_instance_id(text: &str) -> bool {
    text.strip_prefix("i-").is_some_and(|digits| {
        digits.len() == 17 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const GOOD: &str = r#"
        state_dir = "/var/lib/treza"
        instance_id = "i-0123456789abcdef0"
        region = "us-west-2"
        dynamodb_endpoint = "http://127.0.0.1:8000"
        bundles = "/usr/lib/treza/bundles"
        driver = "emulator"
        [tables]
        rows = "enclaves"
        reports = "reports"
    "#;

    #[test]
    fn what_is_not_said_has_a_default() {
        let config = Config::parse(GOOD).unwrap();
        assert_eq!(config.address, None);
        assert_eq!((config.poll_ms, config.report_seconds), (200, 30));
        assert_eq!(config.development_ca(), Path::new("/var/lib/treza/ca"));
        assert_eq!(config.roots().unwrap(), [Root::aws_nitro()]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (from, to) in [
            ("region", "regions"),
            ("reports = \"reports\"", "reports = \"reports\"\nextra = 1"),
            ("[tables]", "[limits]\nenclave = 1\n[tables]"),
            ("i-0123456789abcdef0", "i-0123"),
            ("/var/lib/treza", "treza"),
            ("\"emulator\"", "\"nitro\""),
            ("region =", "poll_ms = 0\nregion ="),
        ] {
            assert!(Config::parse(&GOOD.replacen(from, to, 1)).is_err(), "{to}");
        }
    }
}
