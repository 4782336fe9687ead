//! What a client asks for in its row, in both shapes. Every field acts or is refused; a field that nobody knows is
//! kept and named in a warning.

mod fields;
mod plain;
mod web;

use crate::RecordId;
use crate::fault::Fault;
use crate::item::Item;
use crate::launch::{self, LaunchMessage, Probe, Variable, Workload};
use crate::row::attribute;
use fields::Fields;
pub use web::{least_memory_mib, memory_mib_for};

/// The AWS services that a row may name in `awsServices`.
pub const AWS_SERVICES: [&str; 10] = [
    "dynamodb",
    "kms",
    "logs",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "states",
    "sts",
];

/// The most CPUs of an emulated enclave. Its kernel would take more (`CONFIG_NR_CPUS`).
pub const MOST_EMULATED_CPUS: u32 = 32;

/// What the enclave is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A registry's image: `registry/name:tag`, `name@sha256:…`.
    Image(String),
    /// A finished EIF: `s3://bucket/key`, or, for a local pipeline, `file:/path`.
    Eif(String),
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnclaveRequest {
    /// What the enclave is built from.
    pub source: Source,
    /// Its vCPUs.
    pub cpus: u32,
    /// Its memory in MiB.
    pub memory_mib: u64,
    /// The instance type asked for; checked for its spelling only.
    pub instance_type: Option<String>,
    /// Debug mode: nothing will be proven about the image.
    pub debug: bool,
    /// Ascending by name.
    pub environment: Vec<Variable>,
    /// What an exit of the application means.
    pub workload: Workload,
    /// The application's health probe.
    pub probe: Option<Probe>,
    /// The AWS services it may reach, ascending.
    pub aws_services: Vec<String>,
    /// Its TCP ports, ascending; none: those that the image exposes.
    pub ports: Vec<u16>,
    /// Fields that nobody knows, for a warning.
    pub unknown_fields: Vec<String>,
}

impl EnclaveRequest {
    /// Reads the request in a row for a pipeline of `region`; everything that is wrong with it at once.
    pub fn read(item: &Item, region: &str) -> Result<Self, Vec<Fault>> {
        let mut fields = Fields::new("", item.inner());
        fields.allow(&attribute::ALL);
        fields.allow(&[
            "name",
            "description",
            "walletAddress",
            "createdAt",
            "created_at",
            "githubConnection",
        ]);
        if let Some(found) = fields.text("region").filter(|found| found != region) {
            fields.fault(
                "region",
                format!("is {found:?}; this pipeline serves {region:?} alone"),
            );
        }
        if let Some(provider) = fields
            .text("providerId")
            .filter(|provider| provider != "aws-nitro")
        {
            fields.fault(
                "providerId",
                format!("is {provider:?}; the one provider is \"aws-nitro\""),
            );
        }
        let (web, plain) = (fields.map("providerConfig"), fields.map("configuration"));
        let request = match (web, plain) {
            (Some(_), Some(_)) => {
                fields.fault(
                    "configuration",
                    "stands beside providerConfig; write one of the two",
                );
                None
            }
            (Some(config), None) => web::read(config, &mut fields),
            (None, Some(config)) => plain::read(config, &mut fields),
            (None, None) => {
                fields.fault(
                    "providerConfig",
                    "is missing, and so is configuration; write one of the two",
                );
                None
            }
        };
        let (faults, unknown) = fields.finish();
        match request {
            Some(request) if faults.is_empty() => Ok(Self {
                unknown_fields: unknown,
                ..request
            }),
            _ => Err(faults),
        }
    }

    /// The launch message of this request for one generation of a row, built with `bundle`.
    pub fn launch_message(&self, id: &RecordId, generation: u64, bundle: &str) -> LaunchMessage {
        LaunchMessage {
            kind: launch::TYPE.into(),
            record_id: id.to_string(),
            generation,
            bundle: bundle.into(),
            environment: self.environment.clone(),
            ports: self.ports.clone(),
            probe: self.probe.clone(),
            workload: self.workload,
            aws_services: self.aws_services.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
