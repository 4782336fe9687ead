//! The policy: which enclave, at which moment, at the other end of which channel.

mod attested;
mod binding;
mod check;
#[cfg(feature = "serde")]
mod file;

pub use attested::Attested;
pub use binding::Binding;
#[cfg(feature = "serde")]
pub use file::{MAX_POLICY_LEN, PolicyError};

use crate::pcr::Pcr;
use crate::root::Trust;
use std::collections::BTreeMap;
use std::time::Duration;

/// How far a document's timestamp may lie after the verifier's time: 10 s, two clocks kept by NTP, and no more. It counts for
/// the timestamp, not for certificates: the leaf of an enclave that has just started may begin at the timestamp itself, so a
/// verifier whose clock is behind sees [`Code::CertificateNotYetValid`](crate::Code::CertificateNotYetValid).
pub const CLOCK_SKEW: Duration = Duration::from_secs(10);

/// PCR index to the values of which it must have one; never none.
pub type PcrSet = BTreeMap<u8, Vec<Pcr>>;

/// What a verifier expects of a genuine document. At least one PCR must be expected: a policy without one would
/// accept anybody's enclave.
///
/// ```
/// use attestation::{Policy, Release, Trust};
/// use std::time::Duration;
///
/// let policy = Policy::new()
///     .release(Release::new("1.4.0").pcr(0, [0x11; 48]))
///     .release(Release::new("1.5.0").pcr(0, [0x22; 48]))
///     .pcr(8, [0x88; 48]) // our signer, whichever release it is
///     .trust([Trust::AwsNitro])
///     .nonce(b"challenge")
///     .max_age(Duration::from_secs(120));
/// assert_eq!(policy.releases.len(), 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(from = "file::File"))]
#[non_exhaustive]
pub struct Policy {
    /// See [`Policy::pcr`].
    pub pcrs: PcrSet,
    /// See [`Policy::release`].
    pub releases: Vec<Release>,
    /// See [`Policy::trust`]; `None`: any root that the verifier holds.
    pub trust: Option<Vec<Trust>>,
    /// See [`Policy::root`]; empty: any root that the verifier holds.
    pub roots: Vec<[u8; 32]>,
    /// See [`Policy::nonce`].
    pub nonce: Option<Vec<u8>>,
    /// See [`Policy::user_data`].
    pub user_data: Option<Binding>,
    /// See [`Policy::public_key`].
    pub public_key: Option<Binding>,
    /// See [`Policy::max_age`].
    pub max_age: Option<Duration>,
    /// See [`Policy::allow_debug`].
    pub allow_debug: bool,
}

/// A release of an image: a name, and the PCRs that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Release {
    /// What a verifier calls it, as [`Attested::release`] says.
    pub name: String,
    /// The PCRs that it has.
    pub pcrs: PcrSet,
}

impl Release {
    /// A release of which nothing is expected yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            pcrs: PcrSet::new(),
        }
    }

    /// Expects `value` in PCR `index`. Given more than once for an index, any of the values will do.
    #[must_use]
    pub fn pcr(mut self, index: u8, value: Pcr) -> Self {
        self.pcrs.entry(index).or_default().push(value);
        self
    }
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

    /// Expects all PCRs of this release. Given more than once, those of any of the releases will do, and
    /// [`Attested::release`] says of which. What [`pcr`](Self::pcr) expects is expected of each release as well.
    #[must_use]
    pub fn release(mut self, release: Release) -> Self {
        self.releases.push(release);
        self
    }

    /// Accepts documents that stand on a root of these kinds and no other, whatever an earlier call accepted; of none, none.
    /// Without this, any root that the verifier holds will do.
    #[must_use]
    pub fn trust(mut self, accepted: impl IntoIterator<Item = Trust>) -> Self {
        self.trust = Some(accepted.into_iter().collect());
        self
    }

    /// Accepts documents that stand on the root whose certificate in DER has this SHA-256, and no other; given more
    /// than once, on any of them. That chooses among the verifier's roots: a fingerprint makes nobody trusted.
    #[must_use]
    pub fn root(mut self, sha256: [u8; 32]) -> Self {
        self.roots.push(sha256);
        self
    }

    /// Expects exactly this nonce, in place of an earlier one; an empty one is not an absent one. To accept each nonce once only is the caller's part.
    #[must_use]
    pub fn nonce(mut self, nonce: impl Into<Vec<u8>>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// Expects this user data, in place of an earlier one: exact bytes, or a [`Binding`] by hash.
    #[must_use]
    pub fn user_data(mut self, user_data: impl Into<Binding>) -> Self {
        self.user_data = Some(user_data.into());
        self
    }

    /// Expects this public key, in place of an earlier one: exact bytes, or a [`Binding`] by hash.
    #[must_use]
    pub fn public_key(mut self, public_key: impl Into<Binding>) -> Self {
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
}
