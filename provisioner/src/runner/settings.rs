//! What the runner is told, besides what all programs of the pipeline are: environment variables of its container.

use crate::aws::settings::Error;
use contract::RecordId;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::time::Duration;

/// Seconds: Terraform's longest silence between two renewals is none, so this need only outlast a slow network.
const LEASE: u64 = 90;

/// The turn that a run is for.
#[derive(Debug, Clone, Deserialize)]
pub struct Turn {
    /// The row.
    pub id: RecordId,
    /// Its generation.
    pub generation: u64,
}

/// What the runner is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `TREZA_TURN`: JSON, of the state machine.
    pub turn: Turn,
    /// `TREZA_STATE_BUCKET`: where Terraform's states are.
    pub state_bucket: String,
    /// `TREZA_STATE_KMS_KEY`: what they are encrypted with, besides what the bucket itself does.
    pub state_kms_key: Option<String>,
    /// `TREZA_HOST_MODULE`: the folder of Terraform's module for one host.
    pub module: PathBuf,
    /// `TREZA_HOST_VARIABLES`: JSON, the module's variables that are the same for every row.
    pub variables: Map<String, Value>,
    /// `TREZA_LEASE_SECONDS`, 90 unless it says otherwise: how long a run that was lost keeps the next one waiting.
    pub lease: Duration,
    /// `TREZA_TERRAFORM`: the program; else `terraform` in PATH.
    pub terraform: PathBuf,
}

impl Settings {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// The first variable that is missing or does not read.
    pub fn from_environment() -> Result<Self, Error> {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(variable: impl Fn(&'static str) -> Option<String>) -> Result<Self, Error> {
        let variable = |name| variable(name).filter(|text| !text.is_empty());
        let needed = |name| {
            variable(name).ok_or_else(|| Error {
                name,
                problem: "is not set: the runner's task definition or its state machine sets it".into(),
            })
        };
        fn json<T: serde::de::DeserializeOwned>(name: &'static str, text: &str) -> Result<T, Error> {
            serde_json::from_str(text).map_err(|error| Error {
                name,
                problem: format!("does not read: {error}"),
            })
        }
        Ok(Self {
            turn: json("TREZA_TURN", &needed("TREZA_TURN")?)?,
            state_bucket: needed("TREZA_STATE_BUCKET")?,
            state_kms_key: variable("TREZA_STATE_KMS_KEY"),
            module: needed("TREZA_HOST_MODULE")?.into(),
            variables: json("TREZA_HOST_VARIABLES", &needed("TREZA_HOST_VARIABLES")?)?,
            lease: Duration::from_secs(match variable("TREZA_LEASE_SECONDS") {
                None => LEASE,
                Some(text) => json("TREZA_LEASE_SECONDS", &text)?,
            }),
            terraform: variable("TREZA_TERRAFORM")
                .unwrap_or_else(|| "terraform".into())
                .into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_with_a_hostile_id_is_refused() {
        let read = |turn: &str| {
            Settings::read(|name| {
                let value = match name {
                    "TREZA_TURN" => turn,
                    "TREZA_HOST_VARIABLES" => r#"{"subnet_ids": ["a", "b"]}"#,
                    "TREZA_LEASE_SECONDS" => "",
                    _ => "set",
                };
                Some(value.to_owned())
            })
        };
        assert_eq!(
            read(r#"{"id": "enc_1", "generation": 3}"#)
                .unwrap()
                .turn
                .generation,
            3
        );
        for turn in [
            r#"{"id": "../../etc", "generation": 1}"#,
            r#"{"id": "${jsonencode(1)}", "generation": 1}"#,
            r#"{"id": "a; rm -rf /", "generation": 1}"#,
            r#"{"id": "a\nb", "generation": 1}"#,
            r#"{"id": "", "generation": 1}"#,
            r#"{"id": "a", "generation": -1}"#,
            r#"{"id": "a"}"#,
            "",
        ] {
            assert_eq!(read(turn).unwrap_err().name, "TREZA_TURN", "{turn}");
        }
    }
}
