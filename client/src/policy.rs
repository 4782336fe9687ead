//! The policy file: an expectation in TOML.
//!
//! ```toml
//! max_age = 300                 # seconds
//! nonce = "00ff"                # hex
//! allow_debug = false
//! [pcr]
//! "0" = ["2d15…", "f8bb…"]      # any of these, 96 hex digits each
//! "8" = "72d7…"
//! ```

use crate::expectation::{self, Expectation};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Why a policy is refused.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Not TOML, or a key that a policy does not have.
    #[error("the policy is not valid: {0}")]
    Toml(#[from] toml::de::Error),
    /// A value that cannot be what its key says.
    #[error("the policy is not valid: {key} {problem}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong with its value.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    pcr: BTreeMap<String, Values>,
    nonce: Option<String>,
    max_age: Option<u64>,
    #[serde(default)]
    allow_debug: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    AnyOf(Vec<String>),
}

/// Reads a policy file's text.
///
/// # Errors
/// As [`PolicyError`] says; an unknown key is refused.
pub fn read(text: &str) -> Result<Expectation, PolicyError> {
    let file: File = toml::from_str(text)?;
    let mut expectation = Expectation {
        max_age: file.max_age.map(Duration::from_secs),
        allow_debug: file.allow_debug,
        ..Expectation::default()
    };
    for (index, values) in file.pcr {
        let wrong = |problem| PolicyError::Value {
            key: format!("pcr.{index:?}"),
            problem,
        };
        let values = match values {
            Values::One(value) => vec![value],
            Values::AnyOf(values) => values,
        };
        if values.is_empty() {
            return Err(wrong("has no value: nothing could meet it".into()));
        }
        for value in values {
            let (index, value) = expectation::pcr(&index, &value).map_err(wrong)?;
            expectation.pcrs.entry(index).or_default().push(value);
        }
    }
    if let Some(nonce) = file.nonce {
        let wrong = |_| PolicyError::Value {
            key: "nonce".into(),
            problem: "is not hex".into(),
        };
        expectation.nonces.push(hex::decode(nonce).map_err(wrong)?);
    }
    Ok(expectation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_reads_as_it_is_written() {
        let (a, b) = ("aa".repeat(48), "bb".repeat(48));
        let text = format!(
            "max_age = 60\nnonce = \"00ff\"\nallow_debug = true\n[pcr]\n0 = [\"{a}\", \"{b}\"]\n\"16\" = \"{b}\"\n"
        );
        let expected = Expectation {
            pcrs: BTreeMap::from([(0, vec![[0xaa; 48], [0xbb; 48]]), (16, vec![[0xbb; 48]])]),
            nonces: vec![vec![0, 0xff]],
            max_age: Some(Duration::from_secs(60)),
            allow_debug: true,
            ..Expectation::default()
        };
        assert_eq!(read(&text).unwrap(), expected);
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        let value = "aa".repeat(48);
        for text in [
            "pcrs = {}".to_owned(),
            "max_age = -1".into(),
            "nonce = \"0\"".into(),
            "pcr = {0 = []}".into(),
            "pcr = {0 = \"aa\"}".into(),
            format!("pcr = {{32 = \"{value}\"}}"),
            format!("pcr = {{00 = \"{value}\"}}"),
            format!("pcr = {{x = \"{value}\"}}"),
        ] {
            assert!(read(&text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn hostile_text_never_panics(text in r#"([a-z_]{1,8}|[0-9]{1,3}|"|=|\[|\]|\{|\}|\n| |,){0,40}"#) {
            let _ = read(&text);
        }
    }
}
