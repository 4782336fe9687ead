//! The policy file as an expectation; its format is [`attestation::Policy::read`]'s.

use crate::expectation::Expectation;
use attestation::{Policy, PolicyError};

/// Reads a policy file's text, TOML or JSON.
///
/// # Errors
/// As [`PolicyError`] says; an unknown key is refused.
pub fn read(text: &str) -> Result<Expectation, PolicyError> {
    Policy::read(text).map(Expectation::from)
}

impl From<Policy> for Expectation {
    fn from(policy: Policy) -> Self {
        Self {
            pcrs: policy.pcrs,
            releases: policy.releases,
            trust: policy.trust,
            roots: policy.roots,
            nonces: policy.nonce.into_iter().collect(),
            user_data: policy.user_data,
            public_key: policy.public_key,
            max_age: policy.max_age,
            allow_debug: policy.allow_debug,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attestation::{Binding, Release, Trust};
    use std::collections::BTreeMap;
    use std::time::Duration;

    #[test]
    fn all_that_a_policy_expects_is_expected() {
        let (a, b, root) = ("aa".repeat(48), "bb".repeat(48), "cc".repeat(32));
        let text = format!(
            "max_age = 60\nnonce = \"00ff\"\nallow_debug = true\ntrust = \"aws-nitro\"\n\
             root = \"{root}\"\nuser_data = \"01\"\npublic_key = {{ sha384 = \"{a}\" }}\n\
             [pcr]\n0 = [\"{a}\", \"{b}\"]\n\"16\" = \"{b}\"\n[release.\"1.4.0\"]\n8 = \"{b}\"\n"
        );
        let expected = Expectation {
            pcrs: BTreeMap::from([(0, vec![[0xaa; 48], [0xbb; 48]]), (16, vec![[0xbb; 48]])]),
            releases: vec![Release::new("1.4.0").pcr(8, [0xbb; 48])],
            trust: Some(vec![Trust::AwsNitro]),
            roots: vec![[0xcc; 32]],
            nonces: vec![vec![0, 0xff]],
            user_data: Some(Binding::Bytes(vec![1])),
            public_key: Some(Binding::Sha384([0xaa; 48])),
            max_age: Some(Duration::from_secs(60)),
            allow_debug: true,
            ..Expectation::default()
        };
        assert_eq!(read(&text).unwrap(), expected);
    }
}
