//! The row as the pipeline keeps it. What a client asks for in it is read by [`crate::request`].

use crate::RecordId;
use crate::fault::{Fault, printable};
use crate::item::{AttributeValue, Item, binary};
use crate::report::{EnclaveName, Endpoint};
use crate::status::{self, Status};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names of the row's attributes that the pipeline writes.
pub mod attribute {
    /// The key.
    pub const ID: &str = "id";
    /// [`crate::Status`].
    pub const STATUS: &str = "status";
    /// Why the row stands as it does, for people.
    pub const STATUS_REASON: &str = "statusReason";
    /// RFC 3339, UTC.
    pub const UPDATED_AT: &str = "updatedAt";
    /// How many requests the pipeline has taken up.
    pub const GENERATION: &str = "generation";
    /// How often the pipeline wrote the row.
    pub const REVISION: &str = "revision";
    /// [`super::Trigger`].
    pub const TRIGGER: &str = "trigger";
    /// When the pipeline last changed the status, milliseconds since the epoch.
    pub const STATUS_SINCE: &str = "statusSince";
    /// [`super::Expected`].
    pub const EXPECTED: &str = "expected";
    /// The instance that the row is assigned to: the key of the index by host.
    pub const HOST_ID: &str = "hostId";
    /// [`super::Host`].
    pub const HOST: &str = "host";
    /// [`crate::report::EnclaveName`].
    pub const ENCLAVE: &str = "enclave";
    /// [`super::Attestation`].
    pub const ATTESTATION: &str = "attestation";
    /// [`super::Health`].
    pub const HEALTH: &str = "health";
    /// A list of [`crate::report::Endpoint`].
    pub const ENDPOINTS: &str = "endpoints";

    /// All of them: what a client's row may hold from an earlier turn without a warning.
    pub const ALL: [&str; 15] = [
        ID,
        STATUS,
        STATUS_REASON,
        UPDATED_AT,
        GENERATION,
        REVISION,
        TRIGGER,
        STATUS_SINCE,
        EXPECTED,
        HOST_ID,
        HOST,
        ENCLAVE,
        ATTESTATION,
        HEALTH,
        ENDPOINTS,
    ];
}

/// The stream record that last raised the generation: a repeat of it raises nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// The record's sequence number, decimal.
    pub sequence: String,
    /// The generation that it raised the row to.
    pub generation: u64,
}

/// What the pipeline verifies evidence against. It comes from its own workflow alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// The generation that this was worked out for.
    pub generation: u64,
    /// The image's digest, `sha256:…`.
    pub image_digest: String,
    /// The bundle's digest, `sha256:…`.
    pub bundle: String,
    /// PCR index (decimal) → value (lower-case hex): 0, 1, 2, 4, 16, and 8 for a signed image.
    pub pcrs: BTreeMap<String, String>,
    /// The instance that is to run it.
    pub instance_id: String,
    /// 32 random bytes in hex: the nonce that documents must carry now.
    pub challenge: String,
    /// Since when it is, milliseconds since the epoch. Rows of before there was this field have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge_since: Option<u64>,
    /// The challenge before this one: a report on its way when the challenge changed still counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_challenge: Option<String>,
}

/// The host that the row is assigned to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// Its instance id.
    pub instance_id: String,
    /// Where its ingress is reached.
    pub address: String,
    /// The version of its daemon, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daemon_version: Option<String>,
}

/// How far the row is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AttestationState {
    /// No evidence yet.
    Pending,
    /// The evidence met the expectation.
    Attested,
    /// A genuine document of an enclave in debug mode: nothing is proven about the image.
    Debug,
    /// The evidence was good and is old, or its enclave has ended.
    Stale,
    /// The evidence was refused.
    Refused,
}

/// The last evidence, and what was found of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attestation {
    /// The finding.
    pub state: AttestationState,
    /// The root it stands on: `aws-nitro`, `development` or `custom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<String>,
    /// When it was last verified, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<String>,
    /// Which program verified it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_by: Option<String>,
    /// Why it is not ATTESTED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The statement ([`crate::statement::Statement`]).
    #[serde(default, with = "binary", skip_serializing_if = "Vec::is_empty")]
    pub statement: Vec<u8>,
    /// The document.
    #[serde(default, with = "binary", skip_serializing_if = "Vec::is_empty")]
    pub document: Vec<u8>,
}

/// The application's health, from the last verified statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// HEALTHY, DEGRADED, UNHEALTHY or UNKNOWN.
    pub state: String,
    /// The statement's sequence.
    pub sequence: u64,
    /// When the pipeline took it up, RFC 3339.
    pub reported_at: String,
    /// How often the application was started again.
    pub restarts: u32,
    /// How it last ended: `exit code 1`, `signal 9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<String>,
    /// What a person wants to know; at most 2 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// A row, with the item it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The key.
    pub id: RecordId,
    /// The status.
    pub status: Status,
    /// Why.
    pub status_reason: Option<String>,
    /// How many requests the pipeline has taken up; 0: none.
    pub generation: u64,
    /// How often the pipeline wrote the row; absent: never.
    pub revision: Option<u64>,
    /// The request that was last taken up.
    pub trigger: Option<Trigger>,
    /// When the pipeline last changed the status, milliseconds since the epoch.
    pub status_since: Option<u64>,
    /// What evidence is verified against.
    pub expected: Option<Expected>,
    /// The host it is assigned to.
    pub host_id: Option<String>,
    /// The same, in words.
    pub host: Option<Host>,
    /// The enclave's names, as the host says.
    pub enclave: Option<EnclaveName>,
    /// The evidence.
    pub attestation: Option<Attestation>,
    /// The application's health.
    pub health: Option<Health>,
    /// Where the application is reached, as the host says.
    pub endpoints: Vec<Endpoint>,
    /// All of the row, the client's part too.
    pub item: Item,
}

impl Row {
    /// Reads a row; all that is wrong with the pipeline's part of it, at once.
    pub fn read(item: Item) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let id = text(&item, attribute::ID, "write a string", &mut faults)
            .and_then(|id| kept(&mut faults, attribute::ID, RecordId::parse(&id)));
        let status = text(&item, attribute::STATUS, status::MEND, &mut faults)
            .and_then(|status| kept(&mut faults, attribute::STATUS, Status::parse(&status)));
        let status_reason = part(&item, attribute::STATUS_REASON, &mut faults);
        let generation = part(&item, attribute::GENERATION, &mut faults).unwrap_or(0);
        let revision = part(&item, attribute::REVISION, &mut faults);
        let trigger = part(&item, attribute::TRIGGER, &mut faults);
        let status_since = part(&item, attribute::STATUS_SINCE, &mut faults);
        let expected = part(&item, attribute::EXPECTED, &mut faults);
        let host_id = part(&item, attribute::HOST_ID, &mut faults);
        let host = part(&item, attribute::HOST, &mut faults);
        let enclave = part(&item, attribute::ENCLAVE, &mut faults);
        let attestation = part(&item, attribute::ATTESTATION, &mut faults);
        let health = part(&item, attribute::HEALTH, &mut faults);
        let endpoints = part(&item, attribute::ENDPOINTS, &mut faults).unwrap_or_default();
        let (Some(id), Some(status), true) = (id, status, faults.is_empty()) else {
            return Err(faults);
        };
        Ok(Self {
            id,
            status,
            status_reason,
            generation,
            revision,
            trigger,
            status_since,
            expected,
            host_id,
            host,
            enclave,
            attestation,
            health,
            endpoints,
            item,
        })
    }

    /// The evidence, if it was good when it was last verified.
    pub fn proven(&self) -> Option<&Attestation> {
        use AttestationState::{Attested, Debug, Stale};
        self.attestation
            .as_ref()
            .filter(|attestation| matches!(attestation.state, Attested | Debug | Stale))
    }

    /// The expectation, if it was worked out for the row's present generation.
    pub fn current_expectation(&self) -> Option<&Expected> {
        self.expected
            .as_ref()
            .filter(|expected| expected.generation == self.generation)
    }
}

/// The key of an item, whatever stands in it.
pub fn key(item: &Item) -> Option<&str> {
    match item.get(attribute::ID) {
        Some(AttributeValue::S(id)) => Some(id),
        _ => None,
    }
}

/// An attribute value of any of the types in this module.
pub fn value_of<T: Serialize>(value: &T) -> Result<AttributeValue, Fault> {
    serde_dynamo::to_attribute_value(value).map_err(|error| Fault::new("row", error.to_string()))
}

fn text(item: &Item, name: &str, mend: &str, faults: &mut Vec<Fault>) -> Option<String> {
    let problem = match item.get(name) {
        Some(AttributeValue::S(text)) => return Some(text.clone()),
        Some(_) => "is not a string",
        None => "is missing",
    };
    faults.push(Fault::new(name, format!("{problem}: {mend}")));
    None
}

fn kept<T, E: std::fmt::Display>(faults: &mut Vec<Fault>, name: &str, read: Result<T, E>) -> Option<T> {
    read.map_err(|error| faults.push(Fault::new(name, error.to_string())))
        .ok()
}

fn part<T: DeserializeOwned>(item: &Item, name: &str, faults: &mut Vec<Fault>) -> Option<T> {
    let value = item
        .get(name)
        .filter(|value| !matches!(value, AttributeValue::Null(_)))?;
    serde_dynamo::from_attribute_value(value.clone())
        .map_err(|error| {
            let problem = format!(
                "is the pipeline's to write and does not read as its own ({})",
                printable(&error.to_string(), 120)
            );
            faults.push(Fault::new(name, problem));
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item;

    #[test]
    fn every_fault_is_listed_at_once() {
        let item = item::read(r#"{"id": "../x", "status": "NEW", "revision": "x", "expected": 3}"#).unwrap();
        let fields: Vec<_> = Row::read(item)
            .unwrap_err()
            .into_iter()
            .map(|fault| fault.field)
            .collect();
        assert_eq!(fields, ["id", "status", "revision", "expected"]);
    }

    #[test]
    fn the_pipelines_parts_read_as_they_are_written() {
        let mut attributes = item::read(r#"{"id": "a", "status": "DEPLOYED"}"#)
            .unwrap()
            .into_inner();
        let attestation = Attestation {
            state: AttestationState::Attested,
            trust: Some("development".into()),
            verified_at: None,
            verified_by: None,
            reason: None,
            statement: vec![1],
            document: vec![2],
        };
        attributes.insert("attestation".into(), value_of(&attestation).unwrap());
        let item = Item::from(attributes);
        assert_eq!(
            Row::read(item.clone()).unwrap().attestation,
            Some(attestation.clone())
        );
        let plain = item::to_plain_json(&item).to_string();
        assert_eq!(
            Row::read(item::read(&plain).unwrap()).unwrap().attestation,
            Some(attestation)
        );
    }
}
