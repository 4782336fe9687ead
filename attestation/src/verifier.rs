//! Verification: bytes, roots and a time in, a genuine document or a refusal out.

use crate::cache::Cache;
use crate::chain::{self, Chain};
use crate::crypto::{self, Provider, Signature};
use crate::document;
use crate::genuine::{Archived, Clock, Genuine};
use crate::payload::Payload;
use crate::refusal::{Code, Refusal, quote_bytes};
use crate::root::Root;
use rustls_pki_types::UnixTime;
use std::time::{Duration, SystemTime};

/// Verifies that `document` (COSE_Sign1, tagged or not) is genuine: exactly of the format, under one of `roots`,
/// its whole chain valid at the verifier's time `now`, signed by the leaf,
/// PCR4 being the measurement of the instance in `module_id` (unless it is zero or absent).
///
/// # Errors
/// The [`Refusal`] for the first rule that is broken, from the envelope inwards: see [`Code`]. It proves nothing itself: a
/// forgery may be [`Code::CertificateExpired`], since times are judged before signatures.
pub fn verify(document: &[u8], roots: &[Root], now: SystemTime) -> Result<Genuine, Refusal> {
    Means::plain(roots).judge(document, |_| since_epoch(now))
}

/// Verifies **archived** evidence at its own time: as [`verify`], but the certificates are judged at the document's
/// timestamp. That shows what a document was worth then, not that it is new: whoever got hold of a leaf's key later
/// could have written any timestamp. The result's type says so, and no policy makes it a live one.
///
/// # Errors
/// As for [`verify`].
pub fn audit(document: &[u8], roots: &[Root]) -> Result<Genuine<Archived>, Refusal> {
    Means::plain(roots).judge(document, own_time)
}

/// A verifier for a service: its roots, and chains that it has verified before.
///
/// Documents of one enclave bring the same chain for hours. With a cache (see [`caching`](Self::caching)) a chain is
/// verified once, and a document under it costs one signature instead of five. The verifier is shared by reference
/// between threads.
///
/// ```
/// use attestation::{Root, Verifier};
/// use std::time::SystemTime;
///
/// let verifier = Verifier::new([Root::aws_nitro()]).caching(1000);
/// assert_eq!(verifier.verify(b"no document", SystemTime::now()).unwrap_err().code(), "malformed");
/// ```
#[derive(Debug)]
pub struct Verifier {
    roots: Vec<Root>,
    provider: &'static dyn Provider,
    cache: Option<Cache>,
}

impl Verifier {
    /// A verifier that trusts `roots`, without a cache.
    #[must_use]
    pub fn new(roots: impl IntoIterator<Item = Root>) -> Self {
        Self {
            roots: roots.into_iter().collect(),
            provider: crypto::default(),
            cache: None,
        }
    }

    /// Keeps up to `chains` verified chains, about 250 bytes each; 0: none. A chain counts only for the very same
    /// certificates from root to leaf, and only at times at which each of them is valid. The least recently used one makes
    /// room for a new one: whoever has an enclave can fill it, which costs the others time and no more.
    #[must_use]
    pub fn caching(mut self, chains: usize) -> Self {
        self.cache = (chains > 0).then(|| Cache::new(chains));
        self
    }

    /// Takes the cryptography of `provider`.
    #[must_use]
    pub fn provider(mut self, provider: &'static dyn Provider) -> Self {
        self.provider = provider;
        self
    }

    /// As the function [`verify`](crate::verify()).
    ///
    /// # Errors
    /// As for [`verify`](crate::verify()).
    pub fn verify(&self, document: &[u8], now: SystemTime) -> Result<Genuine, Refusal> {
        self.means().judge(document, |_| since_epoch(now))
    }

    /// As the function [`audit`](crate::audit()).
    ///
    /// # Errors
    /// As for [`verify`](crate::verify()).
    pub fn audit(&self, document: &[u8]) -> Result<Genuine<Archived>, Refusal> {
        self.means().judge(document, own_time)
    }

    fn means(&self) -> Means<'_> {
        Means {
            roots: &self.roots,
            provider: self.provider,
            cache: self.cache.as_ref(),
        }
    }
}

/// What a verification has to go by, beside the document and a time.
struct Means<'v> {
    roots: &'v [Root],
    provider: &'v dyn Provider,
    cache: Option<&'v Cache>,
}

impl<'v> Means<'v> {
    fn plain(roots: &'v [Root]) -> Self {
        Self {
            roots,
            provider: crypto::default(),
            cache: None,
        }
    }

    /// Verifies a document at the time that `clock` tells, which must be the clock that `C` says.
    fn judge<C: Clock>(
        &self,
        document: &[u8],
        clock: impl FnOnce(&Payload<'_>) -> Duration,
    ) -> Result<Genuine<C>, Refusal> {
        let envelope = document::envelope(document)?;
        let payload = Payload::read(envelope.payload)?;
        let root = chain::trusted(&payload, self.roots)?;
        let chain = self.chain(&payload, root, UnixTime::since_unix_epoch(clock(&payload)))?;
        let signature = Signature::Fixed(envelope.signature);
        if !self
            .provider
            .verifies(&chain.point, &envelope.signed(), signature)
        {
            return Err(Refusal::new(
                Code::Signature,
                "signature",
                quote_bytes(envelope.signature),
                "the signature of the leaf's key over this payload",
            ));
        }
        payload.check_pcr4(self.provider)?;
        Ok(Genuine::new(payload.into(), root.trust()))
    }

    /// The verified chain of `payload`, which begins with `root`: from the cache where it has it. What it does not
    /// have, or not at this time, is verified, so that a refusal says the same with a cache as without.
    fn chain(&self, payload: &Payload<'_>, root: &Root, now: UnixTime) -> Result<Chain, Refusal> {
        let Some(cache) = self.cache else {
            return Chain::verify(payload, root, self.provider, now);
        };
        let key = Cache::key(payload, self.provider);
        if let Some(chain) = cache.get(&key, now) {
            return Ok(chain);
        }
        let chain = Chain::verify(payload, root, self.provider, now)?;
        cache.put(key, &chain, now);
        Ok(chain)
    }
}

fn own_time(payload: &Payload<'_>) -> Duration {
    Duration::from_millis(payload.timestamp_ms)
}

/// Time since the Unix epoch; a clock before it is taken as the epoch, at which nothing is valid yet.
pub(crate) fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
