//! The whole of it, with real boots: rows written as clients write them, the programs as they were built.
// All of it is tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_rows;
mod eif_path;
mod evidence;
mod faults;
mod hostile_host;
mod rows;
mod secure_module;
mod surroundings;
mod turns;

use serde_json::{Value, json};

/// A row in the web application's shape, every field as the application writes it.
pub(crate) fn web_row(id: &str, image: &str) -> Value {
    json!({
        "id": id, "name": "A name", "description": "A description", "status": "PENDING_DEPLOY",
        "region": "us-west-2", "walletAddress": "0x00000000000000000000000000000000000000ff",
        "createdAt": "2025-01-01T12:00:00.000Z", "updatedAt": "2025-01-01T12:00:00.000Z",
        "providerId": "aws-nitro",
        "providerConfig": {
            "dockerImage": image, "cpuCount": "2", "memoryMiB": "1024", "instanceType": "m6i.xlarge",
            "enableDebug": false, "environmentVariables": "{\"GREETING\":\"hello\"}",
            "workloadType": "service", "healthCheckPath": "/health", "healthCheckInterval": 30,
            "awsServices": ["kms"], "exposePorts": ["8080"],
        },
        "githubConnection": {"isConnected": false, "username": "someone"},
    })
}

/// The same row without the probe and the port: for images that serve nothing.
pub(crate) fn silent_row(id: &str, image: &str, workload: &str) -> Value {
    let mut row = web_row(id, image);
    row["providerConfig"]["workloadType"] = json!(workload);
    row["providerConfig"]["exposePorts"] = json!([]);
    row["providerConfig"]["healthCheckPath"] = json!("");
    row
}

/// A row in the plain shape.
pub(crate) fn plain_row(id: &str, eif: &str) -> Value {
    json!({
        "id": id, "status": "PENDING_DEPLOY", "created_at": "2025-01-01T12:00:00Z",
        "configuration": {
            "instance_type": "m5.large", "cpu_count": 2, "memory_mib": 1024, "eif_path": eif, "debug_mode": true,
        },
    })
}
