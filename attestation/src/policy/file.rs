//! A policy as a file, in TOML or JSON. `policy.schema.json` says the same to those who write one.

mod values;

use super::{Binding, PcrSet, Policy, Release};
use crate::root::Trust;
use serde::{Deserialize, Deserializer};
use std::time::Duration;
use values::{Bytes, Index, Many, Name, Register, Seconds, Sha256, Table};

/// The longest policy that is read, in bytes.
pub const MAX_POLICY_LEN: usize = 256 * 1024;

/// Values of a PCR, releases, and bytes of nonce, user data and public key: at most so many.
const MAX_VALUES: usize = 64;
const MAX_RELEASES: usize = 64;
const MAX_FIELD_LEN: usize = 1024;

/// Characters of a release's name.
const MAX_NAME_LEN: usize = 64;

/// Why a policy cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Too long to be one.
    #[error("the policy has {0} bytes; a policy has at most {MAX_POLICY_LEN}")]
    TooLong(usize),
    /// Not TOML, or not a policy.
    #[error("the policy is not valid: {0}")]
    Toml(#[from] toml::de::Error),
    /// Not JSON, or not a policy.
    #[error("the policy is not valid: {0}")]
    Json(#[from] serde_json::Error),
}

impl Policy {
    /// Reads a policy from TOML, or from JSON if the text begins with a brace. A key that a policy does not have, a
    /// key that stands twice and null are refused. Releases come in the order of their names.
    ///
    /// ```
    /// let policy = attestation::Policy::read(r#"
    ///     max_age = 300                   # seconds
    ///     allow_debug = false
    ///     trust = "aws-nitro"             # or a list; without it, any root that the verifier holds
    ///     nonce = "00ff"                  # hex
    ///     public_key = { sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" }
    ///     [pcr]                           # whichever the release
    ///     8 = "72d70b1f599a4af7213e2d243e4212a3643ebb4990b78b5218680f6fdec94185721c44e2b6858a452ca0523be521dbf6"
    ///     [release."1.4.0"]               # any of the releases; of each PCR a value, or a list of which any will do
    ///     0 = "2d151586641b790f3b1b92b8f89678c3aa86e73dd97969c892124be9d2b7fdc62b58a55cd9ee8216f6f5689cebf590ad"
    /// "#)?;
    /// assert_eq!(policy.releases[0].name, "1.4.0");
    /// # Ok::<(), attestation::PolicyError>(())
    /// ```
    ///
    /// # Errors
    /// As [`PolicyError`] says. That a policy expects no PCR shows when it is used: until then a program may add one.
    pub fn read(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_POLICY_LEN {
            return Err(PolicyError::TooLong(text.len()));
        }
        match text.trim_start().starts_with('{') {
            true => Ok(serde_json::from_str(text)?),
            false => Ok(toml::from_str(text)?),
        }
    }
}

/// The file, key by key. Where a key is absent nothing is expected; null is no value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a policy: a table of keys")]
pub(super) struct File {
    #[serde(default)]
    pcr: Table<Index, Many<Register>>,
    #[serde(default)]
    release: Table<Name, Table<Index, Many<Register>>>,
    #[serde(default)]
    trust: Many<Trust>,
    #[serde(default)]
    root: Many<Sha256>,
    #[serde(default, deserialize_with = "present")]
    nonce: Option<Bytes>,
    #[serde(default, deserialize_with = "present")]
    user_data: Option<Binding>,
    #[serde(default, deserialize_with = "present")]
    public_key: Option<Binding>,
    #[serde(default, deserialize_with = "present")]
    max_age: Option<Seconds>,
    #[serde(default)]
    allow_debug: bool,
}

impl From<File> for Policy {
    fn from(file: File) -> Self {
        let release = |(Name(name), pcrs)| Release {
            name,
            pcrs: pcr_set(pcrs),
        };
        let mut releases: Vec<_> = file.release.0.into_iter().map(release).collect();
        releases.sort_by(|a, b| a.name.cmp(&b.name)); // TOML's tables have no order.
        Self {
            pcrs: pcr_set(file.pcr),
            releases,
            trust: Some(file.trust.0).filter(|kinds| !kinds.is_empty()),
            roots: file.root.0.into_iter().map(|Sha256(sha256)| sha256).collect(),
            nonce: file.nonce.map(|Bytes(bytes)| bytes),
            user_data: file.user_data,
            public_key: file.public_key,
            max_age: file
                .max_age
                .map(|Seconds(seconds)| Duration::from_secs(seconds.into())),
            allow_debug: file.allow_debug,
        }
    }
}

fn pcr_set(table: Table<Index, Many<Register>>) -> PcrSet {
    let values = |values: Many<Register>| values.0.into_iter().map(|Register(value)| value).collect();
    table
        .0
        .into_iter()
        .map(|(Index(index), many)| (index, values(many)))
        .collect()
}

/// A value that is there: `Option` alone takes null for an absent key, and an expectation would be lost silently.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
