//! Chains that were verified, kept for those who verify much.

use crate::certificate::seconds;
use crate::chain::Chain;
use crate::crypto::Provider;
use crate::payload::Payload;
use rustls_pki_types::UnixTime;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Verified chains, each under the hash of all its certificates; at most `capacity` of them, about 250 bytes each.
/// Only what was verified is ever put in, and a chain is given out only at times in its window.
#[derive(Debug)]
pub(crate) struct Cache {
    capacity: usize,
    chains: Mutex<Chains>,
}

/// SHA-384 of the certificates, root to leaf, each behind its length.
pub(crate) type Key = [u8; 48];

#[derive(Debug, Default)]
struct Chains {
    held: BTreeMap<Key, Held>,
    /// Counts uses; the least recently used chain makes room for a new one.
    uses: u64,
}

#[derive(Debug)]
struct Held {
    chain: Chain,
    last_use: u64,
}

impl Cache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            chains: Mutex::default(),
        }
    }

    /// The key of the whole chain that `payload` brings.
    pub(crate) fn key(payload: &Payload<'_>, provider: &dyn Provider) -> Key {
        let certificates = || payload.cabundle.iter().copied().chain([payload.certificate]);
        let lengths: Vec<_> = certificates()
            .map(|der| (der.len() as u64).to_be_bytes())
            .collect();
        let parts: Vec<_> = lengths
            .iter()
            .zip(certificates())
            .flat_map(|(length, der)| [length.as_slice(), der])
            .collect();
        provider.sha384(&parts)
    }

    /// The chain under `key`, if it is held and valid at `now`.
    pub(crate) fn get(&self, key: &Key, now: UnixTime) -> Option<Chain> {
        let mut chains = self.chains();
        chains.uses += 1;
        let uses = chains.uses;
        let held = chains.held.get_mut(key)?;
        if !held.chain.window.contains(&seconds(now)) {
            return None;
        }
        held.last_use = uses;
        Some(held.chain.clone())
    }

    /// Keeps a chain that was verified. Where there is no room, one that has expired at `now` makes it, else the one
    /// that was not used for longest.
    pub(crate) fn put(&self, key: Key, chain: &Chain, now: UnixTime) {
        let mut chains = self.chains();
        if !chains.held.contains_key(&key) && chains.held.len() >= self.capacity {
            let now = seconds(now);
            chains.held.retain(|_, held| now <= *held.chain.window.end());
            if chains.held.len() >= self.capacity {
                let oldest = chains.held.iter().min_by_key(|(_, held)| held.last_use);
                let Some(oldest) = oldest.map(|(key, _)| *key) else {
                    return;
                };
                chains.held.remove(&oldest);
            }
        }
        let last_use = chains.uses;
        let chain = chain.clone();
        chains.held.insert(key, Held { chain, last_use });
    }

    /// Nothing here panics while it holds the lock; should a caller's thread be killed in it, what is held is still
    /// whole.
    fn chains(&self) -> MutexGuard<'_, Chains> {
        self.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
