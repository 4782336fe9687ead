//! The launch message: all that an enclave is told about the row it runs for. It is told once.

use crate::canonical::{self, CanonicalError};
use crate::id::RecordId;
use aws_lc_rs::digest::{SHA384, digest};
use minicbor::{Decode, Encode};

/// The type that stands first in the message and in what is hashed into PCR16.
pub const TYPE: &str = "treza/launch/1";
/// The most bytes of a launch message.
pub const MAX_BYTES: usize = 64 * 1024;
/// The most environment variables, and the most bytes of all their names and values together.
pub const MAX_ENVIRONMENT: (usize, usize) = (256, 32 * 1024);
/// The most ports.
pub const MAX_PORTS: usize = 16;
/// The most AWS services.
pub const MAX_SERVICES: usize = 32;

/// What an exit of the application means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Workload {
    /// It is restarted.
    #[n(0)]
    Service,
    /// Exit 0 is success, and the end of it.
    #[n(1)]
    Batch,
}

/// How the agent asks the application for its health: an HTTP GET to the first of its ports.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Probe {
    /// The path, beginning with `/`.
    #[n(0)]
    pub path: String,
    /// Seconds between two probes.
    #[n(1)]
    pub interval_seconds: u32,
}

/// A variable of the application's environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Variable {
    /// Its name; neither empty nor holding `=` or NUL.
    #[n(0)]
    pub name: String,
    /// Its value, without NUL.
    #[n(1)]
    pub value: String,
}

/// The launch message. [`LaunchMessage::digest`] of it is extended into PCR16, so that it is part of what the
/// enclave's documents prove.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LaunchMessage {
    /// Always [`TYPE`].
    #[n(0)]
    pub kind: String,
    /// The row that the enclave runs for.
    #[n(1)]
    pub record_id: String,
    /// The row's generation.
    #[n(2)]
    pub generation: u64,
    /// The bundle that the image was built with, `sha256:…`.
    #[n(3)]
    pub bundle: String,
    /// Variables added to the image's own, in ascending order of their names' bytes, no name twice.
    #[n(4)]
    pub environment: Vec<Variable>,
    /// TCP ports of the application that the host may reach, ascending; none: those that the image exposes.
    #[n(5)]
    pub ports: Vec<u16>,
    /// The application's health probe.
    #[n(6)]
    pub probe: Option<Probe>,
    /// What an exit means.
    #[n(7)]
    pub workload: Workload,
    /// The AWS services that the application may reach, ascending.
    #[n(8)]
    pub aws_services: Vec<String>,
}

impl LaunchMessage {
    /// The message's canonical CBOR.
    pub fn encode(&self) -> Vec<u8> {
        canonical::encode(self)
    }

    /// Reads a message, strictly.
    pub fn decode(bytes: &[u8]) -> Result<Self, CanonicalError> {
        let message: Self = canonical::decode("launch message", bytes, MAX_BYTES)?;
        message.check()?;
        Ok(message)
    }

    /// SHA-384 over the type and the canonical CBOR: what is extended into PCR16 and named in every statement.
    pub fn digest(&self) -> [u8; 48] {
        let mut input = TYPE.as_bytes().to_vec();
        input.extend(self.encode());
        sha384(&input)
    }

    /// PCR16 of an enclave that took this message: SHA-384(48 zero bytes ‖ [`Self::digest`]).
    pub fn pcr16(&self) -> [u8; 48] {
        pcr16_of(&self.digest())
    }

    fn check(&self) -> Result<(), CanonicalError> {
        let field = |field, problem: String| CanonicalError::Field {
            what: "launch message",
            field,
            problem,
        };
        if self.kind != TYPE {
            return Err(field("type", format!("is not {TYPE}")));
        }
        RecordId::parse(&self.record_id).map_err(|error| field("record id", error.to_string()))?;
        if self.bundle.len() > 80 {
            return Err(field("bundle", "is longer than 80 bytes".into()));
        }
        let (variables, size) = MAX_ENVIRONMENT;
        let total: usize = self
            .environment
            .iter()
            .map(|v| v.name.len() + v.value.len())
            .sum();
        if self.environment.len() > variables || total > size {
            return Err(field(
                "environment",
                format!("has more than {variables} variables or {size} bytes"),
            ));
        }
        if !self
            .environment
            .windows(2)
            .all(|pair| pair[0].name < pair[1].name)
        {
            return Err(field(
                "environment",
                "is not in ascending order, or has a name twice".into(),
            ));
        }
        if let Some(bad) = self.environment.iter().find(|v| !v.is_sound()) {
            return Err(field(
                "environment",
                format!("has the unfit variable {:?}", bad.name),
            ));
        }
        if self.ports.len() > MAX_PORTS || !ascending(&self.ports) || self.ports.first() == Some(&0) {
            return Err(field(
                "ports",
                format!("are not at most {MAX_PORTS}, ascending and not 0"),
            ));
        }
        if self.aws_services.len() > MAX_SERVICES || !ascending(&self.aws_services) {
            return Err(field(
                "AWS services",
                format!("are not at most {MAX_SERVICES}, ascending"),
            ));
        }
        match &self.probe {
            Some(probe) if !probe.is_sound() => Err(field(
                "probe",
                "needs a path beginning with '/' and 1 to 3600 seconds".into(),
            )),
            _ => Ok(()),
        }
    }
}

impl Variable {
    /// Whether the variable can stand in a process environment.
    pub fn is_sound(&self) -> bool {
        !self.name.is_empty()
            && !self.name.contains(['=', '\0'])
            && !self.name.chars().any(char::is_control)
            && !self.value.contains('\0')
    }
}

impl Probe {
    /// Whether it can be asked: the path begins with `/`, is at most 256 visible ASCII characters (it stands in a
    /// request line), and the interval is 1 to 3600 seconds.
    pub fn is_sound(&self) -> bool {
        self.path.starts_with('/')
            && self.path.len() <= 256
            && self.path.bytes().all(|b| b.is_ascii_graphic())
            && (1..=3600).contains(&self.interval_seconds)
    }
}

/// PCR16 after the launch digest alone was extended into it: SHA-384(48 zero bytes ‖ digest).
pub fn pcr16_of(launch_digest: &[u8; 48]) -> [u8; 48] {
    let mut input = [0; 96];
    input[48..].copy_from_slice(launch_digest);
    sha384(&input)
}

pub(crate) fn sha384(input: &[u8]) -> [u8; 48] {
    let mut out = [0; 48];
    out.copy_from_slice(digest(&SHA384, input).as_ref());
    out
}

fn ascending<T: Ord>(values: &[T]) -> bool {
    values.windows(2).all(|pair| pair[0] < pair[1])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn example() -> LaunchMessage {
        LaunchMessage {
            kind: TYPE.into(),
            record_id: "enc_1".into(),
            generation: 1,
            bundle: format!("sha256:{}", "0".repeat(64)),
            environment: vec![Variable {
                name: "KEY".into(),
                value: "value".into(),
            }],
            ports: vec![80, 8080],
            probe: Some(Probe {
                path: "/health".into(),
                interval_seconds: 30,
            }),
            workload: Workload::Service,
            aws_services: vec!["kms".into()],
        }
    }

    #[test]
    fn reads_what_it_writes() {
        let message = example();
        assert_eq!(LaunchMessage::decode(&message.encode()).unwrap(), message);
    }

    #[test]
    fn every_other_encoding_is_refused() {
        let good = example().encode();
        let mut trailing = good.clone();
        trailing.push(0);
        assert!(LaunchMessage::decode(&trailing).is_err());
        // a9 (map of 9) becomes bf … ff (indefinite)
        let mut indefinite = good.clone();
        indefinite[0] = 0xbf;
        indefinite.push(0xff);
        assert!(LaunchMessage::decode(&indefinite).is_err());
        for end in 0..good.len() {
            assert!(LaunchMessage::decode(&good[..end]).is_err(), "cut at {end}");
        }
        let mut longer_head = vec![0xb8, 9];
        longer_head.extend(&good[1..]);
        assert!(LaunchMessage::decode(&longer_head).is_err());
    }

    #[test]
    fn every_field_changes_the_digest() {
        let base = example();
        let changes: [fn(&mut LaunchMessage); 8] = [
            |m| m.record_id = "enc_2".into(),
            |m| m.generation = 2,
            |m| m.bundle = "sha256:1".into(),
            |m| m.environment.clear(),
            |m| m.ports = vec![80],
            |m| m.probe = None,
            |m| m.workload = Workload::Batch,
            |m| m.aws_services.clear(),
        ];
        for change in changes {
            let mut other = base.clone();
            change(&mut other);
            assert_ne!(base.digest(), other.digest());
            assert_ne!(base.pcr16(), other.pcr16());
        }
    }

    #[test]
    fn unfit_fields_are_refused() {
        let changes: [fn(&mut LaunchMessage); 14] = [
            |m| m.kind = "treza/launch/2".into(),
            |m| m.record_id = "../x".into(),
            |m| {
                m.environment = vec![Variable {
                    name: "A=B".into(),
                    value: String::new(),
                }]
            },
            |m| {
                m.environment = vec![Variable {
                    name: "A".into(),
                    value: "\0".into(),
                }]
            },
            |m| {
                m.environment = vec![
                    Variable {
                        name: "A".into(),
                        value: String::new()
                    };
                    2
                ]
            },
            |m| m.bundle = "x".repeat(81),
            |m| {
                m.environment = (0..=MAX_ENVIRONMENT.0)
                    .map(|n| Variable {
                        name: format!("A{n:03}"),
                        value: String::new(),
                    })
                    .collect()
            },
            |m| {
                m.environment = vec![Variable {
                    name: "A".into(),
                    value: "x".repeat(MAX_ENVIRONMENT.1),
                }]
            },
            |m| m.ports = vec![0],
            |m| m.ports = vec![81, 80],
            |m| m.ports = (1..=MAX_PORTS as u16 + 1).collect(),
            |m| m.aws_services = (0..=MAX_SERVICES).map(|n| format!("s{n:02}")).collect(),
            |m| {
                m.probe = Some(Probe {
                    path: "/a b".into(),
                    interval_seconds: 1,
                })
            },
            |m| {
                m.probe = Some(Probe {
                    path: "/".into(),
                    interval_seconds: 0,
                })
            },
        ];
        for change in changes {
            let mut message = example();
            change(&mut message);
            assert!(LaunchMessage::decode(&message.encode()).is_err(), "{message:?}");
        }
    }
}
