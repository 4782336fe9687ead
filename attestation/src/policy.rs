//! The policy: which enclave, at which moment, at the other end of which channel.

use crate::document::Document;
use crate::genuine::{Genuine, since_epoch};
use crate::pcr::Pcr;
use crate::refusal::{Code, Refusal, quote_bytes};
use crate::root::Trust;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use subtle::ConstantTimeEq;

/// How far a document's timestamp may lie after the verifier's time: two clocks kept by NTP, and no more.
pub const CLOCK_SKEW: Duration = Duration::from_secs(10);

/// PCRs that measure the image, all zero in debug mode.
const IMAGE_PCRS: [u8; 4] = [0, 1, 2, 8];

/// What a verifier expects of a genuine document. At least one PCR must be expected: a policy without one would
/// accept anybody's enclave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    pcrs: BTreeMap<u8, Vec<Pcr>>,
    nonce: Option<Vec<u8>>,
    user_data: Option<Vec<u8>>,
    public_key: Option<Vec<u8>>,
    max_age: Option<Duration>,
    allow_debug: bool,
}

impl Policy {
    /// A policy that expects nothing yet, and refuses debug mode.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects `value` in PCR `index`. Given more than once for an index, any of the values will do.
    #[must_use]
    pub fn pcr(mut self, index: u8, value: Pcr) -> Self {
        self.pcrs.entry(index).or_default().push(value);
        self
    }

    /// Expects exactly this nonce. To accept each nonce once only is the caller's part.
    #[must_use]
    pub fn nonce(mut self, nonce: impl Into<Vec<u8>>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// Expects exactly this user data.
    #[must_use]
    pub fn user_data(mut self, user_data: impl Into<Vec<u8>>) -> Self {
        self.user_data = Some(user_data.into());
        self
    }

    /// Expects exactly this public key.
    #[must_use]
    pub fn public_key(mut self, public_key: impl Into<Vec<u8>>) -> Self {
        self.public_key = Some(public_key.into());
        self
    }

    /// Expects a timestamp at most `age` before the verifier's time, and at most [`CLOCK_SKEW`] after it. The
    /// window of the leaf (three hours) is no freshness: documents are issued until its end.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Whether a document of an enclave in debug mode is accepted. It proves nothing about the image: PCR 0, 1, 2
    /// and 8 are zero, are not compared, and are listed in [`Attested::not_compared`].
    #[must_use]
    pub fn allow_debug(mut self, allow: bool) -> Self {
        self.allow_debug = allow;
        self
    }

    fn check_pcrs(&self, document: &Document, comparison: &mut Comparison) -> Result<(), Refusal> {
        for (index, values) in &self.pcrs {
            if document.is_debug() && IMAGE_PCRS.contains(index) {
                comparison.skipped.push(index.to_string());
                continue;
            }
            let found = document.pcrs.get(index);
            if !found.is_some_and(|found| values.contains(found)) {
                let expected: Vec<_> = values.iter().map(hex::encode).collect();
                return Err(Refusal::new(
                    Code::Pcr,
                    format!("pcrs[{index}]"),
                    found.map_or_else(|| "absent".into(), hex::encode),
                    expected.join(" or "),
                ));
            }
            comparison.met.push(index.to_string());
        }
        Ok(())
    }

    fn check_age(
        &self,
        document: &Document,
        now: SystemTime,
        comparison: &mut Comparison,
    ) -> Result<(), Refusal> {
        let Some(max_age) = self.max_age else {
            return Ok(());
        };
        let made = Duration::from_millis(document.timestamp_ms);
        let now = since_epoch(now);
        let found = format!(
            "{} ms, the verifier's time being {} ms",
            made.as_millis(),
            now.as_millis()
        );
        if made > now.saturating_add(CLOCK_SKEW) {
            let expected = format!("at most {} s after the verifier's time", CLOCK_SKEW.as_secs());
            return Err(Refusal::new(Code::FromFuture, "timestamp", found, expected));
        }
        if now.saturating_sub(made) > max_age {
            let expected = format!("at most {} s before the verifier's time", max_age.as_secs_f64());
            return Err(Refusal::new(Code::Stale, "timestamp", found, expected));
        }
        comparison.met.push("timestamp".into());
        Ok(())
    }
}

/// What was compared, in the order of the comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Comparison {
    met: Vec<String>,
    skipped: Vec<String>,
}

impl Comparison {
    /// Compares `found` with the policy's expectation, if it has one, in constant time.
    fn bytes(&mut self, code: Code, expected: Option<&[u8]>, found: Option<&[u8]>) -> Result<(), Refusal> {
        let Some(expected) = expected else { return Ok(()) };
        let field = code.as_str();
        if !found.is_some_and(|found| found.ct_eq(expected).into()) {
            let found = found.map_or_else(|| "absent".into(), quote_bytes);
            return Err(Refusal::new(code, field, found, quote_bytes(expected)));
        }
        self.met.push(field.into());
        Ok(())
    }
}

/// A genuine document that met a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    genuine: Genuine,
    comparison: Comparison,
}

impl Genuine {
    /// Checks the document against `policy` at the verifier's time `now`.
    ///
    /// # Errors
    /// [`Code::NoExpectation`] if the policy expects no PCR; otherwise the [`Refusal`] for the first expectation
    /// that is not met: debug mode, PCRs, nonce, user data, public key, timestamp.
    pub fn check(self, policy: &Policy, now: SystemTime) -> Result<Attested, Refusal> {
        if policy.pcrs.is_empty() {
            return Err(Refusal::new(
                Code::NoExpectation,
                "policy",
                "no PCR",
                "at least one PCR",
            ));
        }
        if self.is_debug() && !policy.allow_debug {
            return Err(Refusal::new(
                Code::Debug,
                "pcrs",
                "an enclave in debug mode, whose image PCRs are zero",
                "an enclave that is not in debug mode",
            ));
        }
        let document = self.document();
        let mut comparison = Comparison::default();
        policy.check_pcrs(document, &mut comparison)?;
        comparison.bytes(Code::Nonce, policy.nonce.as_deref(), document.nonce.as_deref())?;
        comparison.bytes(
            Code::UserData,
            policy.user_data.as_deref(),
            document.user_data.as_deref(),
        )?;
        comparison.bytes(
            Code::PublicKey,
            policy.public_key.as_deref(),
            document.public_key.as_deref(),
        )?;
        policy.check_age(document, now, &mut comparison)?;
        Ok(Attested {
            genuine: self,
            comparison,
        })
    }
}

impl Attested {
    /// What the secure module signed.
    #[must_use]
    pub fn document(&self) -> &Document {
        self.genuine.document()
    }

    /// What the document stands on.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.genuine.trust()
    }

    /// Whether the enclave runs in debug mode, which the policy allowed: nothing is proven about its image.
    #[must_use]
    pub fn is_debug(&self) -> bool {
        self.genuine.is_debug()
    }

    /// What was compared and found as expected: PCR indices ("0", "16"), then "nonce", "user_data", "public_key",
    /// "timestamp" as far as the policy expects them.
    #[must_use]
    pub fn compared(&self) -> &[String] {
        &self.comparison.met
    }

    /// PCR indices that the policy expects and that were **not** compared, since debug mode withholds them.
    #[must_use]
    pub fn not_compared(&self) -> &[String] {
        &self.comparison.skipped
    }
}
