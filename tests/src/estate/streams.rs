//! Carries the tables' streams to functions, as Lambda's pollers do for the account's event source mappings: in order
//! within a shard, filtered, in batches, tried again, bisected, and sent to the destination on failure in the end.
//!
//! The mappings are read again and again: one that Terraform makes is served from then on, one that it removes no more.

mod delivery;
mod destination;
mod filter;
mod mapping;
mod poller;

use super::account::Account;
use super::lambda_service::Invoker;
use super::tasks::{Faults, Task};
use mapping::Mapping;
use std::collections::HashMap;
use std::time::Duration;

/// Between two looks at the account's mappings.
const LOOK: Duration = Duration::from_millis(500);

/// The pollers of all mappings. They end when it is dropped.
#[derive(Debug)]
pub struct Streams {
    faults: Faults,
    _task: Task,
}

impl Streams {
    /// Starts them.
    pub fn start(account: Account, invoker: Invoker) -> Self {
        let faults = Faults::default();
        Self {
            faults: faults.clone(),
            _task: Task::start(follow(account, invoker, faults)),
        }
    }

    /// What could not be done as the account says.
    pub fn faults(&self) -> Vec<String> {
        self.faults.all()
    }
}

async fn follow(account: Account, invoker: Invoker, faults: Faults) {
    let mut served: HashMap<String, (Mapping, Task)> = HashMap::new();
    loop {
        match Mapping::all(&account).await {
            Ok((mappings, unfit)) => {
                unfit.into_iter().for_each(|fault| faults.add(fault));
                // A mapping that was changed is served anew, and reads its stream from its starting position: what is
                // delivered twice is what a handler must bear anyway.
                served.retain(|_, (mapping, _)| mappings.contains(mapping));
                for mapping in mappings {
                    served.entry(mapping.uuid.clone()).or_insert_with(|| {
                        let poller =
                            poller::run(account.clone(), invoker.clone(), mapping.clone(), faults.clone());
                        (mapping, Task::start(poller))
                    });
                }
            }
            Err(error) => faults.add(format!("event source mappings: {error}")),
        }
        tokio::time::sleep(LOOK).await;
    }
}
