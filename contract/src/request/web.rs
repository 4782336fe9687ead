//! The web application's shape: `providerConfig {dockerImage, cpuCount, memoryMiB, …}`.

use super::fields::{Fields, is_instance_type};
use super::{AWS_SERVICES, EnclaveRequest, Source};
use crate::fault::printable;
use crate::item::AttributeValue;
use crate::launch::{self, Probe, Variable, Workload};
use oci_spec::distribution::Reference;
use std::collections::{BTreeMap, HashMap};

/// The web application's own choices of CPUs.
const CPUS: [u64; 4] = [2, 4, 8, 16];
/// The web application's own bounds on memory: MiB, by powers of two, and at least so much for each CPU.
const MEMORY_MIB: std::ops::RangeInclusive<u64> = 1024..=16384;
const MEMORY_MIB_PER_CPU: u64 = 512;
/// What an image in a file of one's own machine begins with.
const LOCAL_FORMS: [&str; 4] = ["oci:", "oci-archive:", "docker-archive:", "file:"];

/// The least memory that the shape takes and that is at least `needed`, in MiB; none if that is more than a row may ask
/// for.
pub fn memory_mib_for(needed: u64) -> Option<u64> {
    let fitting = needed.max(*MEMORY_MIB.start()).checked_next_power_of_two()?;
    MEMORY_MIB.contains(&fitting).then_some(fitting)
}

/// The least memory, in MiB, that the web application's shape takes for so many CPUs. It is a choice of the web
/// application's whatever `cpus` is.
pub fn least_memory_mib(cpus: u64) -> u64 {
    cpus.saturating_mul(MEMORY_MIB_PER_CPU)
        .clamp(*MEMORY_MIB.start(), *MEMORY_MIB.end())
        .next_power_of_two()
}

pub(super) fn read(config: &HashMap<String, AttributeValue>, row: &mut Fields<'_>) -> Option<EnclaveRequest> {
    let mut fields = Fields::new("providerConfig", config);
    let image = fields.required("dockerImage", Fields::text);
    if let Some(fault) = image.as_deref().and_then(image_fault) {
        fields.fault("dockerImage", fault);
    }
    let cpus = fields.required("cpuCount", Fields::number);
    if let Some(found) = cpus.filter(|found| !CPUS.contains(found)) {
        fields.fault("cpuCount", format!("is {found}; write 2, 4, 8 or 16"));
    }
    let memory = fields.required("memoryMiB", Fields::number);
    check_memory(memory, cpus.filter(|cpus| CPUS.contains(cpus)), &mut fields);
    let instance_type = fields.text("instanceType");
    if instance_type
        .as_deref()
        .is_some_and(|text| !is_instance_type(text))
    {
        fields.fault(
            "instanceType",
            "is not spelled as an instance type, such as \"m6i.xlarge\"",
        );
    }
    let debug = fields.flag("enableDebug").unwrap_or(false);
    let environment = environment(&mut fields);
    let workload = workload(&mut fields);
    let probe = probe(&mut fields);
    let aws_services = aws_services(&mut fields);
    let ports = ports(&mut fields);
    row.absorb(fields);
    Some(EnclaveRequest {
        source: Source::Image(image?),
        cpus: u32::try_from(cpus?).ok()?,
        memory_mib: memory?,
        instance_type,
        debug,
        environment,
        workload,
        probe,
        aws_services,
        ports,
        unknown_fields: Vec::new(),
    })
}

/// What cannot be a registry's reference; whether the image is there the registry itself will tell.
fn image_fault(image: &str) -> Option<String> {
    if image.len() > 512 || !image.bytes().all(|b| b.is_ascii_graphic()) {
        return Some("is longer than 512 characters or holds something other than visible ASCII".into());
    }
    let problem = match image.parse::<Reference>() {
        // Names of files, where an image is elsewhere taken from one.
        Ok(_) if LOCAL_FORMS.iter().any(|form| image.starts_with(form)) => "a file's name".to_owned(),
        Ok(name) if name.digest().is_some_and(|digest| !digest.starts_with("sha256:")) => {
            "its digest is not sha256".to_owned()
        }
        Ok(_) => return None,
        Err(error) => error.to_string(),
    };
    Some(format!(
        "is {:?} ({problem}); a row names an image of a registry: registry/name:tag or registry/name@sha256:…, the \
         name in small letters",
        printable(image, 64)
    ))
}

/// `cpus` is none where the number of CPUs is itself a fault: nothing can be said of memory for it.
fn check_memory(memory: Option<u64>, cpus: Option<u64>, fields: &mut Fields<'_>) {
    let Some(memory) = memory else { return };
    if !MEMORY_MIB.contains(&memory) || !memory.is_power_of_two() {
        fields.fault(
            "memoryMiB",
            format!("is {memory}; write 1024, 2048, 4096, 8192 or 16384"),
        );
    }
    if let Some(cpus) = cpus.filter(|cpus| memory < least_memory_mib(*cpus)) {
        fields.fault(
            "memoryMiB",
            format!(
                "is {memory}; {cpus} CPUs need at least {}",
                least_memory_mib(cpus)
            ),
        );
    }
}

/// `environmentVariables`: a map, or a string that holds a JSON object, of strings.
fn environment(fields: &mut Fields<'_>) -> Vec<Variable> {
    const NAME: &str = "environmentVariables";
    let variables: BTreeMap<String, String> = match fields.take(NAME) {
        None => return Vec::new(),
        Some(AttributeValue::S(text)) if text.trim().is_empty() => return Vec::new(),
        Some(AttributeValue::S(text)) => match serde_json::from_str(text) {
            Ok(variables) => variables,
            Err(error) => {
                fields.fault(NAME, format!("is not a JSON object of strings: {error}"));
                return Vec::new();
            }
        },
        Some(value) => match serde_dynamo::from_attribute_value(value.clone()) {
            Ok(variables) => variables,
            Err(_) => {
                fields.fault(
                    NAME,
                    "is neither a map of strings nor a string that holds one in JSON",
                );
                return Vec::new();
            }
        },
    };
    let (most, size) = launch::MAX_ENVIRONMENT;
    if variables.len() > most || variables.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>() > size {
        fields.fault(NAME, format!("has more than {most} variables or {size} bytes"));
        return Vec::new();
    }
    let variables: Vec<_> = variables
        .into_iter()
        .map(|(name, value)| Variable { name, value })
        .collect();
    if let Some(bad) = variables.iter().find(|variable| !variable.is_sound()) {
        fields.fault(
            NAME,
            format!(
                "has the variable {:?}, whose name or value no process can have",
                printable(&bad.name, 64)
            ),
        );
    }
    variables
}

fn workload(fields: &mut Fields<'_>) -> Workload {
    match fields.text("workloadType").as_deref() {
        None | Some("service") => Workload::Service,
        Some("batch") => Workload::Batch,
        Some(other) => {
            fields.fault(
                "workloadType",
                format!("is {:?}; write \"service\" or \"batch\"", printable(other, 32)),
            );
            Workload::Service
        }
    }
}

fn probe(fields: &mut Fields<'_>) -> Option<Probe> {
    let path = fields.text("healthCheckPath");
    let interval = fields.number("healthCheckInterval").unwrap_or(30);
    if !(1..=3600).contains(&interval) {
        fields.fault(
            "healthCheckInterval",
            format!("is {interval}; write 1 to 3600 seconds"),
        );
        return None;
    }
    let probe = Probe {
        path: path?,
        interval_seconds: u32::try_from(interval).ok()?,
    };
    if !probe.is_sound() {
        fields.fault(
            "healthCheckPath",
            "is not a path of at most 256 visible ASCII characters beginning with '/'",
        );
    }
    Some(probe)
}

fn aws_services(fields: &mut Fields<'_>) -> Vec<String> {
    let mut services = fields.list("awsServices");
    services.sort();
    services.dedup();
    let unknown: Vec<_> = services
        .iter()
        .filter(|service| !AWS_SERVICES.contains(&service.as_str()))
        .map(|s| printable(s, 32))
        .collect();
    if !unknown.is_empty() {
        let known = AWS_SERVICES.join(", ");
        fields.fault(
            "awsServices",
            format!("names {}; known are {known}", unknown.join(", ")),
        );
    }
    services
}

fn ports(fields: &mut Fields<'_>) -> Vec<u16> {
    const NAME: &str = "exposePorts";
    let (mut ports, mut bad) = (Vec::new(), Vec::new());
    for text in fields.list(NAME) {
        match text.parse::<u16>() {
            Ok(port) if port != 0 => ports.push(port),
            _ => bad.push(printable(&text, 16)),
        }
    }
    ports.sort_unstable();
    ports.dedup();
    if !bad.is_empty() {
        fields.fault(NAME, format!("holds {}; a port is 1 to 65535", bad.join(", ")));
    }
    if ports.len() > launch::MAX_PORTS {
        fields.fault(
            NAME,
            format!(
                "has {} ports; at most {} are taken",
                ports.len(),
                launch::MAX_PORTS
            ),
        );
    }
    ports
}
