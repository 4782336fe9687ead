//! `treza-host list`.

use crate::Error;
use crate::enclave_dir::EnclaveDir;
use crate::holding::Holding;
use crate::state_dir::StateDir;
use comfy_table::{Table, presets};
use contract::report::Endpoint;
use serde::Serialize;

/// An enclave, as it is listed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    cid: String,
    record_id: Option<String>,
    generation: Option<u64>,
    /// `running`, `ended: …`, or what keeps its holder from answering.
    state: String,
    enclave_id: Option<String>,
    acceleration: Option<String>,
    debug: bool,
    memory_mib: Option<u32>,
    cpus: Option<u32>,
    endpoints: Vec<Endpoint>,
}

/// Prints the host's enclaves: a table, or, with `json`, a list of objects.
pub async fn list(state_dir: &StateDir, json: bool) -> Result<(), Error> {
    let mut all = Vec::new();
    for dir in state_dir.enclaves()? {
        all.push(look(dir).await?);
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&all).unwrap_or_default());
        return Ok(());
    }
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["CID", "ROW", "GENERATION", "STATE", "ENCLAVE", "ENDPOINTS"]);
    for one in &all {
        let endpoints: Vec<_> = one
            .endpoints
            .iter()
            .map(|end| format!("{} at {}", end.port, end.address))
            .collect();
        table.add_row([
            one.cid.clone(),
            one.record_id.clone().unwrap_or_else(|| "-".into()),
            one.generation
                .map_or_else(|| "-".into(), |generation| generation.to_string()),
            if one.debug {
                format!("{} (debug)", one.state)
            } else {
                one.state.clone()
            },
            one.enclave_id.clone().unwrap_or_else(|| "-".into()),
            endpoints.join("\n"),
        ]);
    }
    println!("{table}");
    Ok(())
}

async fn look(dir: EnclaveDir) -> Result<Listed, Error> {
    let spec = dir.spec().ok();
    let owner = dir.owner();
    let cid = dir
        .path()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let (state, status) = match Holding::find(dir.clone())? {
        None => (format!("ended: {}", dir.ended().how), None),
        Some(holding) => match holding.status().await {
            Ok(status) => ("running".into(), Some(status)),
            Err(error) => (error.to_string(), None),
        },
    };
    Ok(Listed {
        cid,
        record_id: owner.as_ref().map(|(id, _)| id.to_string()),
        generation: owner.as_ref().map(|(_, launch)| launch.generation),
        state,
        enclave_id: status.as_ref().map(|status| status.module_id.clone()),
        acceleration: status.as_ref().map(|status| status.acceleration.clone()),
        debug: spec.as_ref().is_some_and(|spec| spec.debug),
        memory_mib: spec.as_ref().map(|spec| spec.memory_mib),
        cpus: spec.as_ref().map(|spec| spec.cpus),
        endpoints: status.and_then(|status| status.endpoints).unwrap_or_default(),
    })
}
