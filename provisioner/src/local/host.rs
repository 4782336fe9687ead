//! This machine as the pipeline's one host, and the configuration of its daemon.

use super::Error as LocalError;
use super::state::{StateDir, write_atomically};
use crate::pipeline::Error;
use crate::ports::Hosts;
use contract::request::{EnclaveRequest, MOST_EMULATED_CPUS};
use contract::row::Host;
use contract::{Fault, RecordId};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use std::path::{Path, PathBuf};
use store::{Connection, Tables};

/// Where its ingress listens.
const ADDRESS: &str = "127.0.0.1";

/// Provides itself, to every row.
pub(super) struct ThisMachine {
    pub(super) instance_id: String,
}

impl Hosts for ThisMachine {
    fn check(&self, request: &EnclaveRequest) -> Result<(), Fault> {
        if request.cpus <= MOST_EMULATED_CPUS {
            return Ok(());
        }
        let problem = format!(
            "is {}; an emulated enclave has at most {MOST_EMULATED_CPUS} CPUs",
            request.cpus
        );
        // The web application's shape has no such choice.
        Err(Fault::new("configuration.cpu_count", problem))
    }

    fn provide<'a>(&'a self, _: &'a RecordId, _: u64) -> BoxFuture<'a, Result<Host, Error>> {
        let host = Host {
            instance_id: self.instance_id.clone(),
            address: ADDRESS.into(),
            daemon_version: None,
        };
        async { Ok(host) }.boxed()
    }

    fn latest_turn<'a>(&'a self, _: &'a RecordId) -> BoxFuture<'a, Result<u64, Error>> {
        async { Ok(0) }.boxed()
    }

    fn are_dedicated(&self) -> bool {
        false
    }
}

/// The daemon's configuration file, as far as a local pipeline has a say in it.
#[derive(Serialize)]
struct Config<'a> {
    state_dir: PathBuf,
    instance_id: &'a str,
    address: &'a str,
    region: &'a str,
    dynamodb_endpoint: Option<&'a str>,
    s3_endpoint: Option<&'a str>,
    bundles: &'a Path,
    driver: &'a str,
    development_ca: PathBuf,
    tables: TableNames<'a>,
}

#[derive(Serialize)]
struct TableNames<'a> {
    rows: &'a str,
    reports: &'a str,
}

/// Writes the daemon's configuration.
pub(super) fn configure(
    state: &StateDir,
    instance_id: &str,
    connection: &Connection,
    tables: &Tables,
    bundles: &Path,
) -> Result<(), LocalError> {
    let config = Config {
        state_dir: state.host_state(),
        instance_id,
        address: ADDRESS,
        region: &connection.region,
        dynamodb_endpoint: connection.endpoint.as_deref(),
        s3_endpoint: connection.s3_endpoint.as_deref(),
        bundles,
        driver: "emulator",
        development_ca: state.development_ca(),
        tables: TableNames {
            rows: &tables.rows,
            reports: &tables.reports,
        },
    };
    let path = state.host_config();
    let text = toml::to_string(&config)
        .map_err(|error| LocalError::file("write", &path)(std::io::Error::other(error)))?;
    write_atomically(&path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_that_the_emulator_cannot_give_are_named() {
        let machine = ThisMachine {
            instance_id: "i-0123456789abcdef0".into(),
        };
        let check = |cpus: u32| {
            let row = format!(
                r#"{{"id": "a", "status": "PENDING_DEPLOY",
                    "configuration": {{"cpu_count": {cpus}, "memory_mib": 1024, "eif_path": "file:/a.eif"}}}}"#
            );
            let item = contract::item::read(&row).unwrap();
            machine.check(&EnclaveRequest::read(&item, "us-west-2").unwrap())
        };
        assert_eq!(check(32), Ok(()));
        let fault = check(33).unwrap_err();
        assert_eq!(fault.field, "configuration.cpu_count");
        assert!(fault.problem.contains("at most 32"), "{fault}");
    }
}
