//! What a host says of one of its enclaves: an item of the table `reports`, under the record's id. All of it is the
//! host's word, but for the statement and the document, which prove themselves.

use crate::fault::Fault;
use crate::item::{Item, binary};
use crate::{RecordId, fault, statement};
use serde::{Deserialize, Serialize};

/// The most bytes of an attestation document.
pub const MAX_DOCUMENT: usize = 16 * 1024;
/// The most bytes of each text of a report.
pub const MAX_TEXT: usize = 2 * 1024;
/// The most endpoints of a report.
pub const MAX_ENDPOINTS: usize = 32;

/// How far the host says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Phase {
    /// Fetching, building, booting.
    Launching,
    /// The enclave answers challenges; statement and document are there.
    Running,
    /// The host could not, or the enclave ended by itself; `reason` says it.
    Failed,
    /// Nothing of it runs on the host.
    Stopped,
}

/// A running enclave's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnclaveName {
    /// `i-…-enc…`, the document's `module_id`.
    pub enclave_id: String,
    /// Its vsock address on its host.
    pub cid: u64,
}

/// Where a port of the application is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// The application's TCP port.
    pub port: u16,
    /// `address:port` of the host's ingress to it.
    pub address: String,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Report {
    /// The row that it speaks of: the table's key.
    pub id: String,
    /// The row's generation that it speaks of.
    pub generation: u64,
    /// How far the host is.
    pub phase: Phase,
    /// The agent's statement ([`crate::statement::Statement`]).
    #[serde(default, with = "optional_binary", skip_serializing_if = "Option::is_none")]
    pub statement: Option<Vec<u8>>,
    /// The document that carries the statement's digest.
    #[serde(default, with = "optional_binary", skip_serializing_if = "Option::is_none")]
    pub document: Option<Vec<u8>>,
    /// The enclave's names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enclave: Option<EnclaveName>,
    /// Where the application is reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// Why it failed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The last lines of the console or the application, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_tail: Option<String>,
    /// The host daemon's version.
    pub daemon_version: String,
    /// The host's clock, milliseconds since the epoch.
    pub reported_at: u64,
}

impl Report {
    /// Reads a report from its item, strictly and bounded.
    pub fn read(item: Item) -> Result<Self, Fault> {
        let report: Self = serde_dynamo::from_item(item)
            .map_err(|error| Fault::new("report", fault::printable(&error.to_string(), 200)))?;
        report.check()?;
        Ok(report)
    }

    /// The report as an item of the table.
    pub fn to_item(&self) -> Result<Item, Fault> {
        serde_dynamo::to_item(self).map_err(|error| Fault::new("report", error.to_string()))
    }

    fn check(&self) -> Result<(), Fault> {
        RecordId::parse(&self.id).map_err(|error| Fault::new("report.id", error.to_string()))?;
        let within = |field: &str, size: usize, limit: usize| {
            let problem = || {
                Fault::new(
                    format!("report.{field}"),
                    format!("has {size} bytes, at most {limit} are taken"),
                )
            };
            if size > limit { Err(problem()) } else { Ok(()) }
        };
        within(
            "statement",
            self.statement.as_ref().map_or(0, Vec::len),
            statement::MAX_BYTES,
        )?;
        within(
            "document",
            self.document.as_ref().map_or(0, Vec::len),
            MAX_DOCUMENT,
        )?;
        within("reason", self.reason.as_ref().map_or(0, String::len), MAX_TEXT)?;
        within("logTail", self.log_tail.as_ref().map_or(0, String::len), MAX_TEXT)?;
        within("daemonVersion", self.daemon_version.len(), 64)?;
        within(
            "enclave.enclaveId",
            self.enclave.as_ref().map_or(0, |e| e.enclave_id.len()),
            64,
        )?;
        within("endpoints", self.endpoints.len(), MAX_ENDPOINTS)?;
        for endpoint in &self.endpoints {
            within("endpoints.address", endpoint.address.len(), 128)?;
        }
        Ok(())
    }
}

mod optional_binary {
    use super::binary;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => binary::serialize(bytes, to),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        #[derive(Deserialize)]
        struct Bytes(#[serde(with = "binary")] Vec<u8>);
        Ok(Option::<Bytes>::deserialize(from)?.map(|bytes| bytes.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::AttributeValue;

    fn example() -> Report {
        Report {
            id: "enc_1".into(),
            generation: 2,
            phase: Phase::Running,
            statement: Some(vec![1, 2]),
            document: Some(vec![3; 4500]),
            enclave: Some(EnclaveName {
                enclave_id: "i-1-enc2".into(),
                cid: 16,
            }),
            endpoints: vec![Endpoint {
                port: 80,
                address: "127.0.0.1:4000".into(),
            }],
            reason: None,
            log_tail: None,
            daemon_version: "0.1.0".into(),
            reported_at: 1,
        }
    }

    #[test]
    fn reads_what_it_writes_and_keeps_evidence_binary() {
        let item = example().to_item().unwrap();
        assert_eq!(item.get("statement"), Some(&AttributeValue::B(vec![1, 2])));
        assert_eq!(Report::read(item).unwrap(), example());
    }

    #[test]
    fn a_forged_attribute_refuses_the_report() {
        let mut attributes = example().to_item().unwrap().into_inner();
        attributes.insert("status".into(), AttributeValue::S("DEPLOYED".into()));
        assert!(Report::read(Item::from(attributes)).is_err());
    }

    #[test]
    fn bounds_are_kept() {
        let changes: [fn(&mut Report); 6] = [
            |r| r.id = "../x".into(),
            |r| r.document = Some(vec![0; MAX_DOCUMENT + 1]),
            |r| r.statement = Some(vec![0; statement::MAX_BYTES + 1]),
            |r| r.reason = Some("x".repeat(MAX_TEXT + 1)),
            |r| r.log_tail = Some("x".repeat(MAX_TEXT + 1)),
            |r| r.endpoints = vec![r.endpoints[0].clone(); MAX_ENDPOINTS + 1],
        ];
        for change in changes {
            let mut report = example();
            change(&mut report);
            assert!(Report::read(report.to_item().unwrap()).is_err());
        }
    }
}
