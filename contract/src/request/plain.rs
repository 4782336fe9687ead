//! The plain shape: `configuration {instance_type, cpu_count, memory_mib, eif_path, debug_mode}`.

use super::fields::{Fields, is_instance_type};
use super::{EnclaveRequest, Source};
use crate::item::AttributeValue;
use crate::launch::Workload;
use std::collections::HashMap;

/// The least memory of an enclave, MiB (Nitro's own bound).
const LEAST_MEMORY_MIB: u64 = 64;
/// The most memory and CPUs that any instance has, roughly: what is over is a slip.
const MOST_MEMORY_MIB: u64 = 32 * 1024 * 1024;
const MOST_CPUS: u64 = 1024;

pub(super) fn read(config: &HashMap<String, AttributeValue>, row: &mut Fields<'_>) -> Option<EnclaveRequest> {
    let mut fields = Fields::new("configuration", config);
    let source = fields.required("eif_path", Fields::text);
    if let Some(path) = source.as_deref().filter(|path| !is_eif_path(path)) {
        fields.fault(
            "eif_path",
            format!("is {path:?}; write s3://bucket/key, or file:/path for a local pipeline"),
        );
    }
    let cpus = fields.required("cpu_count", Fields::number);
    if cpus.is_some_and(|cpus| !(1..=MOST_CPUS).contains(&cpus)) {
        fields.fault(
            "cpu_count",
            format!(
                "is {}; an enclave has at least 1 CPU and at most {MOST_CPUS}",
                cpus.unwrap_or(0)
            ),
        );
    }
    let memory = fields.required("memory_mib", Fields::number);
    if memory.is_some_and(|memory| !(LEAST_MEMORY_MIB..=MOST_MEMORY_MIB).contains(&memory)) {
        let found = memory.unwrap_or(0);
        fields.fault(
            "memory_mib",
            format!("is {found}; an enclave has {LEAST_MEMORY_MIB} to {MOST_MEMORY_MIB} MiB"),
        );
    }
    let instance_type = fields.text("instance_type");
    if instance_type
        .as_deref()
        .is_some_and(|text| !is_instance_type(text))
    {
        fields.fault(
            "instance_type",
            "is not spelled as an instance type, such as \"m5.xlarge\"",
        );
    }
    let debug = fields.flag("debug_mode").unwrap_or(false);
    row.absorb(fields);
    Some(EnclaveRequest {
        source: Source::Eif(source?),
        cpus: u32::try_from(cpus?).ok()?,
        memory_mib: memory?,
        instance_type,
        debug,
        environment: Vec::new(),
        workload: Workload::Service,
        probe: None,
        aws_services: Vec::new(),
        ports: Vec::new(),
        unknown_fields: Vec::new(),
    })
}

fn is_eif_path(path: &str) -> bool {
    let sound = path.len() <= 1024 && !path.chars().any(char::is_control);
    let object = path.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    sound
        && (object.is_some_and(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
            || path.starts_with("file:/"))
}
