//! What the pipeline's programs in AWS are told: environment variables, which Terraform sets from its own resources.

use attestation::Root;
use eif_build::digest::Digest;
use std::path::PathBuf;
use std::time::Duration;
use store::{Connection, Tables};

/// How long a row may wait where Terraform makes the host and the host boots, unless `TREZA_PATIENCE_SECONDS` says
/// otherwise.
const PATIENCE: u64 = 30 * 60;
/// The compressed bytes of an image that a function measures itself, unless `TREZA_MEASURE_TASK_BYTES` says otherwise.
const MEASURE_TASK_BYTES: u64 = 512 << 20;

/// What is wrong with an environment variable: {0}
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("environment variable {name}: {problem}")]
pub struct Error {
    /// Its name.
    pub name: &'static str,
    /// What is wrong with it, and the mend.
    pub problem: String,
}

/// What the programs are told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `TREZA_ENVIRONMENT`: dev, staging, prod, or another.
    pub environment: String,
    /// `AWS_REGION`.
    pub region: String,
    /// `TREZA_ROWS_TABLE`, `TREZA_REPORTS_TABLE`, `TREZA_TURNS_TABLE`.
    pub tables: Tables,
    /// `TREZA_MACHINE_PREFIX`: the state machines' ARNs, but for `deploy`, `cleanup`, `pause` at their end.
    pub machine_prefix: Option<String>,
    /// `TREZA_TOPIC_ARN`: where failures are told.
    pub topic: Option<String>,
    /// `TREZA_BUNDLES_URI`: where bundles are, each at this URI with its digest in hex and `.tar`.
    pub bundles_uri: String,
    /// `TREZA_BUNDLES`: those that are in use; new deployments take the first.
    pub bundles: Vec<Digest>,
    /// AWS's root, and those of `TREZA_TRUST_ROOTS` (certificates in PEM).
    pub roots: Vec<Root>,
    /// `TREZA_MEASURE_TASK_BYTES`.
    pub measure_task_bytes: u64,
    /// `TREZA_PATIENCE_SECONDS`.
    pub patience: Duration,
    /// `TREZA_WORK_DIR`: where images are fetched to; else a folder of the system's for what is temporary.
    pub work_dir: PathBuf,
}

impl Settings {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// The first variable that is missing or does not read.
    pub fn from_environment() -> Result<Self, Error> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads the variables that `variable` answers; an empty one is none.
    fn read(variable: impl Fn(&'static str) -> Option<String>) -> Result<Self, Error> {
        let variable = |name| variable(name).filter(|text| !text.is_empty());
        let needed = |name| {
            variable(name).ok_or_else(|| Error {
                name,
                problem: "is not set: Terraform's runtime module sets it".into(),
            })
        };
        let number = |name, default| match variable(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| Error {
                name,
                problem: format!("is {text:?}, not a whole number"),
            }),
        };
        Ok(Self {
            environment: needed("TREZA_ENVIRONMENT")?,
            region: needed("AWS_REGION")?,
            tables: Tables {
                rows: needed("TREZA_ROWS_TABLE")?,
                reports: needed("TREZA_REPORTS_TABLE")?,
                turns: needed("TREZA_TURNS_TABLE")?,
            },
            machine_prefix: variable("TREZA_MACHINE_PREFIX"),
            topic: variable("TREZA_TOPIC_ARN"),
            bundles_uri: needed("TREZA_BUNDLES_URI")?,
            bundles: bundles(&needed("TREZA_BUNDLES")?)?,
            roots: roots(variable("TREZA_TRUST_ROOTS").as_deref().unwrap_or_default())?,
            measure_task_bytes: number("TREZA_MEASURE_TASK_BYTES", MEASURE_TASK_BYTES)?,
            patience: Duration::from_secs(number("TREZA_PATIENCE_SECONDS", PATIENCE)?),
            work_dir: variable("TREZA_WORK_DIR")
                .map_or_else(|| std::env::temp_dir().join("treza"), PathBuf::from),
        })
    }

    /// How tables and objects are reached.
    pub fn connection(&self) -> Connection {
        Connection {
            endpoint: None,
            s3_endpoint: None,
            profile: None,
            region: self.region.clone(),
        }
    }
}

fn bundles(text: &str) -> Result<Vec<Digest>, Error> {
    let parse = |digest: &str| {
        digest.trim().parse().map_err(|error| Error {
            name: "TREZA_BUNDLES",
            problem: format!("{digest:?}: {error}; write sha256:…, with commas between"),
        })
    };
    text.split(',').map(parse).collect()
}

/// AWS's root, and each certificate of a PEM file.
fn roots(pem: &str) -> Result<Vec<Root>, Error> {
    const END: &str = "-----END CERTIFICATE-----";
    let mut roots = vec![Root::aws_nitro()];
    for certificate in pem.split_inclusive(END).filter(|part| !part.trim().is_empty()) {
        roots.push(Root::from_pem(certificate).map_err(|error| Error {
            name: "TREZA_TRUST_ROOTS",
            problem: error.to_string(),
        })?);
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(change: &[(&str, &str)]) -> Result<Settings, Error> {
        Settings::read(|name| {
            if let Some((_, value)) = change.iter().find(|(changed, _)| *changed == name) {
                return Some((*value).to_owned());
            }
            let value = match name {
                "TREZA_ENVIRONMENT" => "dev",
                "AWS_REGION" => "us-west-2",
                "TREZA_ROWS_TABLE" => "rows",
                "TREZA_REPORTS_TABLE" => "reports",
                "TREZA_TURNS_TABLE" => "turns",
                "TREZA_BUNDLES_URI" => "s3://bucket/bundles/",
                "TREZA_BUNDLES" => "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                _ => return None,
            };
            Some(value.to_owned())
        })
    }

    #[test]
    fn what_is_not_said_has_a_default_and_what_is_missing_is_named() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.roots, [Root::aws_nitro()]);
        assert_eq!(settings.patience, Duration::from_secs(1800));
        for (name, value) in [
            ("TREZA_ENVIRONMENT", ""),
            ("TREZA_BUNDLES", "latest"),
            ("TREZA_TRUST_ROOTS", "no certificate"),
            ("TREZA_MEASURE_TASK_BYTES", "many"),
        ] {
            assert_eq!(read(&[(name, value)]).unwrap_err().name, name);
        }
    }

    #[test]
    fn roots_of_ones_own_stand_beside_awss() {
        let folder = tempfile::tempdir().unwrap();
        let authority = nsm::development::Authority::open(folder.path()).unwrap();
        let pem = std::fs::read_to_string(folder.path().join(nsm::development::CERTIFICATE_FILE)).unwrap();
        let settings = read(&[("TREZA_TRUST_ROOTS", &format!("{pem}\n"))]).unwrap();
        let own = Root::from_der(authority.certificate()).unwrap();
        assert_eq!(settings.roots, [Root::aws_nitro(), own]);
    }
}
