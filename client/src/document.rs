//! A document alone: is it genuine, and is it what the caller expects, if the caller expects anything?

use crate::Refusal;
use crate::expectation::Expectation;
use attestation::{Archived, Attested, Clock, Genuine, Live, Policy, Root};
use std::time::SystemTime;

/// A document that is genuine and met what was expected of it, by the clock `C`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked<C: Clock = Live> {
    /// The document; its trust, debug mode and registers.
    pub attested: Attested<C>,
    /// What was compared with an expectation and found as expected; empty: the document is genuine and no more.
    pub compared: Vec<String>,
}

/// Verifies that `document` is genuine under one of `roots` at the time `now`, and compares it with what
/// `expectation` says of a document. Unlike [`crate::evidence::verify`] it needs no expectation.
///
/// # Errors
/// The [`Refusal`] for the first rule that is broken.
pub fn verify(
    document: &[u8],
    expectation: &Expectation,
    roots: &[Root],
    now: SystemTime,
) -> Result<Checked, Refusal> {
    let genuine = attestation::verify(document, roots, now)?;
    judge(genuine, expectation, |genuine, policy| genuine.check(policy, now))
}

/// Verifies an archived document at its own time: as [`verify`], but for its age. It was good then.
///
/// # Errors
/// The [`Refusal`] for the first rule that is broken.
pub fn audit(
    document: &[u8],
    expectation: &Expectation,
    roots: &[Root],
) -> Result<Checked<Archived>, Refusal> {
    let genuine = attestation::audit(document, roots)?;
    judge(genuine, expectation, Genuine::<Archived>::check)
}

fn judge<C: Clock>(
    genuine: Genuine<C>,
    expectation: &Expectation,
    check: impl FnOnce(Genuine<C>, &Policy) -> Result<Attested<C>, attestation::Refusal>,
) -> Result<Checked<C>, Refusal> {
    let mut policy = expectation.policy(genuine.document())?;
    let genuine_only = policy.pcrs.is_empty() && policy.releases.is_empty();
    if genuine_only {
        policy = with_own_register(policy, genuine.document());
    }
    let attested = check(genuine, &policy)?;
    let expected = |name: &&String| !genuine_only || name.parse::<u8>().is_err();
    let compared = attested.compared().iter().filter(expected).cloned().collect();
    Ok(Checked { attested, compared })
}

/// One register compared with itself says nothing and is not listed; it lets age, nonce and debug mode be judged by
/// the policy's own rules where no register is expected, which a policy otherwise refuses.
fn with_own_register(policy: Policy, document: &attestation::Document) -> Policy {
    match document.pcrs.first_key_value() {
        Some((index, value)) => policy.pcr(*index, *value),
        None => policy,
    }
}
