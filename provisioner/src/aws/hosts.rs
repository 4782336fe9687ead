//! Hosts in AWS: each is an instance of its row's own, which the runner made before the row is placed on it.

use super::instances;
use crate::pipeline::Error;
use crate::ports::Hosts;
use contract::request::EnclaveRequest;
use contract::row::Host;
use contract::{Fault, RecordId};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use store::Turns;

/// The hosts that the runner has made.
pub struct MadeHosts {
    turns: Turns,
}

impl MadeHosts {
    /// The hosts of `turns`.
    pub fn new(turns: Turns) -> Self {
        Self { turns }
    }
}

impl Hosts for MadeHosts {
    fn check(&self, request: &EnclaveRequest) -> Result<(), Fault> {
        instances::choose(request).map(drop)
    }

    fn provide<'a>(&'a self, id: &'a RecordId, generation: u64) -> BoxFuture<'a, Result<Host, Error>> {
        async move {
            let turn = self.turns.get(id).await?;
            if turn.generation != generation {
                let found = turn.generation;
                return Err(Error::Passing(format!(
                    "the runner has noted turn {found}, not {generation}"
                )));
            }
            if let Some(why) = turn.failure {
                return Err(Error::Final(why));
            }
            turn.host.ok_or_else(|| {
                Error::Final("the runner ended without a host and without a reason: see its log".into())
            })
        }
        .boxed()
    }

    fn latest_turn<'a>(&'a self, id: &'a RecordId) -> BoxFuture<'a, Result<u64, Error>> {
        async move { Ok(self.turns.get(id).await?.generation) }.boxed()
    }

    fn are_dedicated(&self) -> bool {
        true
    }
}
