//! `treza-host run`: an enclave outside any row. Nothing is reported of it.

use crate::Error;
use crate::driver::Emulator;
use crate::enclave_dir::{EnclaveDir, Spec};
use crate::holding::Holding;
use crate::state_dir::StateDir;
use crate::worker::check_size;
use contract::launch::{LaunchMessage, TYPE, Workload};
use contract::report::Endpoint;
use eif_build::bundle::Machine;
use nsm::development::CERTIFICATE_FILE;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// The instance that an operator's enclave says it runs on, where none is named.
const NO_INSTANCE: &str = "i-00000000000000000";

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub struct RunOptions {
    /// The enclave image file
    #[arg(long)]
    pub eif: PathBuf,
    /// Its vCPUs
    #[arg(long, default_value_t = 1)]
    pub cpu_count: u32,
    /// Its memory in MiB
    #[arg(long)]
    pub memory: u32,
    /// Debug mode: its documents prove nothing about the image
    #[arg(long)]
    pub debug: bool,
    /// The machine that its kernel expects: cmdline (ours, AWS's) or acpi (Debian's)
    #[arg(long, default_value = "cmdline", value_parser = machine)]
    pub machine: Machine,
    /// The EC2 instance id behind PCR4
    #[arg(long, default_value = NO_INSTANCE)]
    pub instance_id: String,
}

/// Runs an enclave, gives its agent a launch message without a configuration, and prints where it is reached.
pub async fn run(state_dir: &StateDir, options: &RunOptions, json: bool) -> Result<(), Error> {
    let eif_bytes = fs::metadata(&options.eif)
        .map_err(Error::io("read", &options.eif))?
        .len();
    check_size(options.cpu_count, options.memory.into(), eif_bytes)?;
    let root = state_dir.development_ca().join(CERTIFICATE_FILE);
    let (cid, dir) = state_dir.new_enclave()?;
    match launch(state_dir, options, cid, dir.clone()).await {
        Ok((enclave_id, endpoints)) if json => {
            println!(
                "{}",
                serde_json::json!({ "cid": cid, "enclaveId": enclave_id, "endpoints": endpoints, "developmentRoot": root })
            );
            Ok(())
        }
        Ok((enclave_id, endpoints)) => {
            println!("{enclave_id} runs with CID {cid}");
            println!("its documents stand on the development root {}", root.display());
            for Endpoint { port, address } in endpoints {
                println!("port {port} at {address}");
            }
            Ok(())
        }
        Err(error) => {
            if let Some(holding) = Holding::find(dir.clone())? {
                holding.stop(&Emulator, None).await?;
            }
            dir.remove()?;
            Err(error)
        }
    }
}

async fn launch(
    state_dir: &StateDir,
    options: &RunOptions,
    cid: u32,
    dir: EnclaveDir,
) -> Result<(String, Vec<Endpoint>), Error> {
    fs::copy(&options.eif, dir.image()).map_err(Error::io("copy", &options.eif))?;
    let spec = Spec {
        owner: None,
        cid,
        machine: options.machine,
        memory_mib: options.memory,
        cpus: options.cpu_count,
        debug: options.debug,
        instance_id: options.instance_id.clone(),
        address: Ipv4Addr::LOCALHOST.into(),
        development_ca: state_dir.development_ca(),
        hub: state_dir.hub(),
        force_tcg: false,
    };
    let program = crate::daemon::program()?;
    let (holding, starting) = Holding::start(&program, dir, &spec)?;
    starting.ready().await?;
    let message = LaunchMessage {
        kind: TYPE.into(),
        record_id: format!("run-{cid}"),
        generation: 1,
        bundle: String::new(),
        environment: Vec::new(),
        ports: Vec::new(),
        probe: None,
        workload: Workload::Service,
        aws_services: Vec::new(),
    };
    let endpoints = tokio::select! {
        endpoints = holding.launch(&message) => endpoints?,
        ended = holding.ended() => return Err(Error::Ended(ended.how)),
    };
    Ok((holding.status().await?.module_id, endpoints))
}

fn machine(text: &str) -> Result<Machine, String> {
    match text {
        "cmdline" => Ok(Machine::Cmdline),
        "acpi" => Ok(Machine::Acpi),
        _ => Err("is neither cmdline nor acpi".into()),
    }
}
