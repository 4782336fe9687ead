//! A genuine document that met a policy.

use super::Policy;
use super::check::{Comparison, Registers};
use crate::document::Document;
use crate::genuine::{Archived, Clock, Genuine, Live};
use crate::refusal::{Code, Refusal};
use crate::root::Trust;
use std::time::SystemTime;

/// A genuine document that met a policy. One that is in debug mode, where the policy allows that ([`Attested::is_debug`]), says
/// nothing about the image. `Attested<Archived>` is another type: it met it at its own time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested<C: Clock = Live> {
    genuine: Genuine<C>,
    release: Option<String>,
    compared: Vec<String>,
    not_compared: Vec<String>,
}

impl Genuine<Live> {
    /// Checks the document against `policy` at the verifier's time `now`, the one at which it was verified: certificates are not
    /// looked at again, only [`Policy::max_age`].
    ///
    /// # Errors
    /// [`Code::NoExpectation`] if the policy, or a release of it, expects no PCR; otherwise the [`Refusal`] for the
    /// first expectation that is not met: trust, root, debug mode, PCRs, release, nonce, user data, public key, timestamp.
    pub fn check(self, policy: &Policy, now: SystemTime) -> Result<Attested, Refusal> {
        judge(self, policy, Some(now))
    }
}

impl Genuine<Archived> {
    /// Checks the archived document against `policy`. Its age is nobody's question: where the policy has one,
    /// [`Attested::not_compared`] lists "timestamp".
    ///
    /// # Errors
    /// As for [`Genuine::check`] of a live document, but for the timestamp.
    pub fn check(self, policy: &Policy) -> Result<Attested<Archived>, Refusal> {
        judge(self, policy, None)
    }
}

fn judge<C: Clock>(
    genuine: Genuine<C>,
    policy: &Policy,
    now: Option<SystemTime>,
) -> Result<Attested<C>, Refusal> {
    policy.check_expectation()?;
    policy.check_trust(genuine.trust())?;
    policy.check_root(genuine.document())?;
    policy.check_debug(genuine.document())?;
    let document = genuine.document();
    let mut comparison = Comparison::default();
    let mut pcrs = Registers::of(document);
    policy.check_pcrs(&mut pcrs)?;
    // In debug mode the image's PCRs are not compared, and no release is told from another.
    let release = policy.check_releases(&mut pcrs)?.filter(|_| !document.is_debug());
    pcrs.list_in(&mut comparison);
    comparison.nonce(policy.nonce.as_deref(), document.nonce.as_deref())?;
    comparison.bound(
        Code::UserData,
        policy.user_data.as_ref(),
        document.user_data.as_deref(),
    )?;
    comparison.bound(
        Code::PublicKey,
        policy.public_key.as_ref(),
        document.public_key.as_deref(),
    )?;
    policy.check_age(document, now, &mut comparison)?;
    Ok(Attested {
        release: release.map(|release| release.name.clone()),
        compared: comparison.met,
        not_compared: comparison.skipped,
        genuine,
    })
}

impl<C: Clock> Attested<C> {
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

    /// The first release of the policy whose PCRs these are. `None` if the policy names no release, and in debug
    /// mode.
    #[must_use]
    pub fn release(&self) -> Option<&str> {
        self.release.as_deref()
    }

    /// What was compared and found as expected: PCR indices ("0", "16"), then "nonce", "user_data", "public_key",
    /// "timestamp" as far as the policy expects them.
    #[must_use]
    pub fn compared(&self) -> &[String] {
        &self.compared
    }

    /// What the policy expects and was **not** compared: PCR indices that debug mode withholds; "timestamp" of an
    /// archived document.
    #[must_use]
    pub fn not_compared(&self) -> &[String] {
        &self.not_compared
    }
}
