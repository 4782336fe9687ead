//! The comparisons of a policy with a genuine document.

use super::{Binding, CLOCK_SKEW, PcrSet, Policy, Release};
use crate::crypto;
use crate::document::Document;
use crate::refusal::{Code, Refusal, quote_bytes};
use crate::root::Trust;
use crate::verifier::since_epoch;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

/// PCRs that measure the image, all zero in debug mode.
const IMAGE_PCRS: [u8; 4] = [0, 1, 2, 8];

impl Policy {
    /// Refuses a policy that anybody's enclave could meet, or none.
    pub(super) fn check_expectation(&self) -> Result<(), Refusal> {
        let refuse = |found| {
            Err(Refusal::new(
                Code::NoExpectation,
                "policy",
                found,
                "at least one PCR and value",
            ))
        };
        if self.pcrs.is_empty() && self.releases.is_empty() {
            return refuse("no PCR".to_owned());
        }
        if let Some(empty) = self.releases.iter().find(|release| release.pcrs.is_empty()) {
            return refuse(format!("release {:?} without a PCR", empty.name));
        }
        let sets = self
            .releases
            .iter()
            .map(|release| &release.pcrs)
            .chain([&self.pcrs]);
        match sets.flatten().find(|(_, values)| values.is_empty()) {
            Some((index, _)) => refuse(format!("pcrs[{index}] without a value")),
            None => Ok(()),
        }
    }

    pub(super) fn check_trust(&self, found: Trust) -> Result<(), Refusal> {
        let Some(accepted) = &self.trust else {
            return Ok(());
        };
        if accepted.contains(&found) {
            return Ok(());
        }
        let accepted = match &accepted[..] {
            [] => vec!["a root of no kind: the policy accepts none".to_owned()],
            kinds => kinds.iter().map(Trust::to_string).collect(),
        };
        Err(Refusal::new(
            Code::Trust,
            "cabundle[0]",
            format!("a root of the kind {found}"),
            accepted.join(" or "),
        ))
    }

    pub(super) fn check_root(&self, document: &Document) -> Result<(), Refusal> {
        // The first of the bundle is, byte for byte, a root that the verifier holds.
        let root = document.cabundle.first().map_or(&[][..], Vec::as_slice);
        let found = crypto::default().sha256(root);
        if self.roots.is_empty() || self.roots.contains(&found) {
            return Ok(());
        }
        let accepted: Vec<_> = self.roots.iter().map(hex::encode).collect();
        Err(Refusal::new(
            Code::Root,
            "cabundle[0]",
            format!("a root whose SHA-256 is {}", hex::encode(found)),
            accepted.join(" or "),
        ))
    }

    pub(super) fn check_debug(&self, document: &Document) -> Result<(), Refusal> {
        if self.allow_debug || !document.is_debug() {
            return Ok(());
        }
        Err(Refusal::new(
            Code::Debug,
            "pcrs",
            "an enclave in debug mode, whose image PCRs are zero",
            "an enclave that is not in debug mode",
        ))
    }

    pub(super) fn check_pcrs(&self, registers: &mut Registers<'_>) -> Result<(), Refusal> {
        registers.compare(&self.pcrs).map_err(|index| {
            Refusal::new(
                Code::Pcr,
                format!("pcrs[{index}]"),
                registers.found(index),
                values(&self.pcrs, index),
            )
        })
    }

    /// The first release whose registers the document has; `None` if the policy names no release.
    pub(super) fn check_releases(&self, registers: &mut Registers<'_>) -> Result<Option<&Release>, Refusal> {
        let (mut found, mut expected) = (BTreeSet::new(), Vec::new());
        for release in &self.releases {
            match registers.compare(&release.pcrs) {
                Ok(()) => return Ok(Some(release)),
                Err(index) => {
                    found.insert(index);
                    let values = values(&release.pcrs, index);
                    expected.push(format!("{:?} (pcrs[{index}] {values})", release.name));
                }
            }
        }
        if self.releases.is_empty() {
            return Ok(None);
        }
        let found: Vec<_> = found
            .into_iter()
            .map(|index| format!("pcrs[{index}] {}", registers.found(index)))
            .collect();
        let expected = format!("a release: {}", expected.join(" or "));
        Err(Refusal::new(Code::Release, "pcrs", found.join(", "), expected))
    }

    /// Compares the timestamp with the verifier's time, if it has one.
    pub(super) fn check_age(
        &self,
        document: &Document,
        now: Option<SystemTime>,
        comparison: &mut Comparison,
    ) -> Result<(), Refusal> {
        let Some(max_age) = self.max_age else {
            return Ok(());
        };
        let Some(now) = now.map(since_epoch) else {
            comparison.skipped.push("timestamp".into());
            return Ok(());
        };
        let made = Duration::from_millis(document.timestamp_ms);
        let found = || {
            let (made, now) = (made.as_millis(), now.as_millis());
            format!("{made} ms, the verifier's time being {now} ms")
        };
        if made > now.saturating_add(CLOCK_SKEW) {
            let expected = format!("at most {} s after the verifier's time", CLOCK_SKEW.as_secs());
            return Err(Refusal::new(Code::FromFuture, "timestamp", found(), expected));
        }
        if now.saturating_sub(made) > max_age {
            let expected = format!("at most {} s before the verifier's time", max_age.as_secs_f64());
            return Err(Refusal::new(Code::Stale, "timestamp", found(), expected));
        }
        comparison.met.push("timestamp".into());
        Ok(())
    }
}

/// The expected values of a register, as a refusal says them.
fn values(pcrs: &PcrSet, index: u8) -> String {
    let values: Vec<_> = pcrs.get(&index).into_iter().flatten().map(hex::encode).collect();
    values.join(" or ")
}

/// A document's registers, and which of them were compared.
pub(super) struct Registers<'d> {
    document: &'d Document,
    met: BTreeSet<u8>,
    skipped: BTreeSet<u8>,
}

impl<'d> Registers<'d> {
    pub(super) fn of(document: &'d Document) -> Self {
        Self {
            document,
            met: BTreeSet::new(),
            skipped: BTreeSet::new(),
        }
    }

    /// Compares the registers with the expected ones; the index of the first that differs. Those of a set that is not
    /// met are not noted as compared.
    fn compare(&mut self, expected: &PcrSet) -> Result<(), u8> {
        let withheld = |index: &u8| self.document.is_debug() && IMAGE_PCRS.contains(index);
        let (skipped, compared): (BTreeSet<u8>, BTreeSet<u8>) = expected.keys().copied().partition(withheld);
        for index in &compared {
            let values = expected.get(index);
            match (self.document.pcrs.get(index), values) {
                (Some(found), Some(values)) if values.contains(found) => {}
                _ => return Err(*index),
            }
        }
        self.met.extend(compared);
        self.skipped.extend(skipped);
        Ok(())
    }

    fn found(&self, index: u8) -> String {
        self.document
            .pcrs
            .get(&index)
            .map_or_else(|| "absent".into(), hex::encode)
    }

    pub(super) fn list_in(self, comparison: &mut Comparison) {
        comparison.met.extend(self.met.iter().map(u8::to_string));
        comparison.skipped.extend(self.skipped.iter().map(u8::to_string));
    }
}

/// What was compared and what was not, in the order of the comparison.
#[derive(Default)]
pub(super) struct Comparison {
    pub(super) met: Vec<String>,
    pub(super) skipped: Vec<String>,
}

impl Comparison {
    pub(super) fn nonce(&mut self, expected: Option<&[u8]>, found: Option<&[u8]>) -> Result<(), Refusal> {
        let expected = expected.map(Binding::from);
        self.bound(Code::Nonce, expected.as_ref(), found)
    }

    /// Compares `found` with the policy's expectation, if it has one.
    pub(super) fn bound(
        &mut self,
        code: Code,
        expected: Option<&Binding>,
        found: Option<&[u8]>,
    ) -> Result<(), Refusal> {
        let Some(expected) = expected else { return Ok(()) };
        let field = code.as_str();
        if !found.is_some_and(|found| expected.is_met_by(found)) {
            let found = found.map_or_else(|| "absent".into(), quote_bytes);
            return Err(Refusal::new(code, field, found, expected.to_string()));
        }
        self.met.push(field.into());
        Ok(())
    }
}
