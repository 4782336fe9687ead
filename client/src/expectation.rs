//! What a verifier expects of an enclave, from a source of its own.

use crate::{Refusal, hexadecimal};
use attestation::{Binding, Document, PCR_COUNT, Pcr, Policy, Release, Trust};
use contract::{Fault, RecordId, row};
use std::collections::BTreeMap;
use std::time::Duration;

/// The registers that measure the image or its signer. All others can be had with any program.
pub const IMAGE_PCRS: [u8; 4] = [0, 1, 2, 8];

/// What registers with an expected value settle of the image that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settles {
    /// All of it: PCR0 measures the whole EIF; PCR1 kernel and agent, and PCR2 the rest.
    Image,
    /// Who signed it (PCR8), and so who answers for the agent in it.
    Signer,
    /// Too little: with PCR1 alone any application runs, with PCR2 alone any kernel and agent.
    Nothing,
}

impl Settles {
    /// What the registers settle that `has` names.
    pub(crate) fn of(has: impl Fn(u8) -> bool) -> Self {
        if has(0) || (has(1) && has(2)) {
            Self::Image
        } else if has(8) {
            Self::Signer
        } else {
            Self::Nothing
        }
    }
}

/// Bytes of a challenge.
const CHALLENGE_LEN: usize = 32;

/// What is expected. What is `None` or empty is not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectation {
    /// The row that the enclave runs for.
    pub record_id: Option<String>,
    /// The row's generation.
    pub generation: Option<u64>,
    /// The EC2 instance that the enclave runs on.
    pub instance_id: Option<String>,
    /// The image's digest, `sha256:…`.
    pub image_digest: Option<String>,
    /// [`contract::launch::LaunchMessage::digest`] of the launch message.
    pub launch_digest: Option<[u8; 48]>,
    /// PCR index to the values of which it must have one; never none.
    pub pcrs: BTreeMap<u8, Vec<Pcr>>,
    /// The releases of which the document must have all registers of one.
    pub releases: Vec<Release>,
    /// The kinds of root of which the document must stand on one; `None`: whatever root the verifier holds.
    pub trust: Option<Vec<Trust>>,
    /// SHA-256 of the roots of which the document must stand on one; empty: whatever root the verifier holds.
    pub roots: Vec<[u8; 32]>,
    /// The nonces of which the document must carry one.
    pub nonces: Vec<Vec<u8>>,
    /// What the document's user data is. With a statement it is the statement's digest.
    pub user_data: Option<Binding>,
    /// What the document's public key is.
    pub public_key: Option<Binding>,
    /// The document's greatest age.
    pub max_age: Option<Duration>,
    /// Whether an enclave in debug mode is accepted, of whose image nothing is proven.
    pub allow_debug: bool,
}

impl Expectation {
    /// What the pipeline worked out for the row `record_id`: record, generation, image digest, PCRs, instance, and
    /// its challenges as nonces. Age, debug mode and launch message are the caller's to add.
    ///
    /// # Errors
    /// Everything that is not hex of its proper length, by its place in the row.
    pub fn of(expected: &row::Expected, record_id: &RecordId) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut pcrs = BTreeMap::new();
        for (index, value) in &expected.pcrs {
            match pcr(index, value) {
                Ok((index, value)) => {
                    pcrs.insert(index, vec![value]);
                }
                Err(problem) => faults.push(Fault::new(format!("expected.pcrs.{index}"), problem)),
            }
        }
        let mut nonces = Vec::new();
        for (name, text) in [
            ("expected.challenge", Some(&expected.challenge)),
            ("expected.previousChallenge", expected.previous_challenge.as_ref()),
        ] {
            match text.map(|text| hexadecimal::array::<CHALLENGE_LEN>(text)) {
                Some(Ok(nonce)) => nonces.push(nonce.to_vec()),
                Some(Err(problem)) => faults.push(Fault::new(name, problem)),
                None => {}
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            record_id: Some(record_id.to_string()),
            generation: Some(expected.generation),
            instance_id: Some(expected.instance_id.clone()),
            image_digest: Some(expected.image_digest.clone()),
            pcrs,
            nonces,
            ..Self::default()
        })
    }

    /// Whether enough is expected of the image that runs: PCR0, or PCR1 and PCR2, or PCR8, its signer's; in each release.
    #[must_use]
    pub fn measures_image(&self) -> bool {
        let settles = |release: Option<&Release>| {
            let named = |index| release.is_some_and(|release| release.pcrs.contains_key(&index));
            Settles::of(|index| self.pcrs.contains_key(&index) || named(index)) != Settles::Nothing
        };
        match self.releases.is_empty() {
            true => settles(None),
            false => self.releases.iter().all(|release| settles(Some(release))),
        }
    }

    /// Whether a value is expected of the register `index`, be it of a release.
    pub(crate) fn expects(&self, index: u8) -> bool {
        let mut sets = self
            .releases
            .iter()
            .map(|release| &release.pcrs)
            .chain([&self.pcrs]);
        sets.any(|pcrs| pcrs.contains_key(&index))
    }

    /// What of this a document alone can meet: all but record, generation, instance, image and launch message.
    ///
    /// # Errors
    /// The [`Refusal`] of a register that is expected to have one of no values.
    pub(crate) fn policy(&self, document: &Document) -> Result<Policy, Refusal> {
        let mut policy = Policy::new().allow_debug(self.allow_debug);
        for (index, values) in &self.pcrs {
            if values.is_empty() {
                return Err(Refusal::no_value(*index));
            }
            policy = values
                .iter()
                .fold(policy, |policy, value| policy.pcr(*index, *value));
        }
        policy.releases.clone_from(&self.releases);
        policy.trust.clone_from(&self.trust);
        policy.roots.clone_from(&self.roots);
        policy.user_data.clone_from(&self.user_data);
        policy.public_key.clone_from(&self.public_key);
        let carried = |nonce: &&Vec<u8>| document.nonce.as_ref() == Some(*nonce);
        if let Some(nonce) = self.nonces.iter().find(carried).or(self.nonces.first()) {
            policy = policy.nonce(nonce.clone());
        }
        Ok(match self.max_age {
            Some(age) => policy.max_age(age),
            None => policy,
        })
    }
}

/// Reads a register's index and its value in hex; says what is wrong with them.
pub(crate) fn pcr(index: &str, value: &str) -> Result<(u8, Pcr), String> {
    let index = index
        .parse()
        .ok()
        .filter(|number: &u8| *number < PCR_COUNT && number.to_string() == index)
        .ok_or_else(|| format!("has no PCR index of 0 to {}", PCR_COUNT - 1))?;
    Ok((index, hexadecimal::array(value)?))
}
