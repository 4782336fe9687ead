//! The operator's commands: they speak to the holders alone and need no daemon.

mod console;
mod list;
mod run;
mod stop;

pub use console::{console, logs};
pub use list::list;
pub use run::{RunOptions, run};
pub use stop::{stop, stop_all};

use crate::Error;
use crate::enclave_dir::EnclaveDir;
use crate::state_dir::StateDir;
use contract::fault::printable;

/// The enclave of this name: a row's id, or a vsock address.
fn find(state_dir: &StateDir, name: &str) -> Result<EnclaveDir, Error> {
    let all = state_dir.enclaves()?;
    let is_owner = |dir: &&EnclaveDir| dir.owner().is_some_and(|(id, _)| id.as_str() == name);
    let is_cid = |dir: &&EnclaveDir| dir.path().file_name().is_some_and(|cid| cid == name);
    let found = all.iter().find(is_owner).or_else(|| all.iter().find(is_cid));
    found
        .cloned()
        .ok_or_else(|| Error::NoSuchEnclave(printable(name, 64)))
}
