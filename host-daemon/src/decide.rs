//! The decision: what the table wants of this host for one row, what runs, and what is to be done about it.

use crate::ledger::Launch;
use contract::request::EnclaveRequest;
use contract::row::{Expected, Row};
use contract::{RecordId, Status, fault};

/// The registers that the pipeline expects of every enclave: image, instance, launch message.
const NEEDED_PCRS: [&str; 5] = ["0", "1", "2", "4", "16"];

/// What the table wants of this host for one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// An enclave.
    Enclave(Box<Assignment>),
    /// An enclave that cannot be: what the row asks for does not read.
    Impossible {
        /// Which launch it is.
        launch: Launch,
        /// Everything that is wrong with the row.
        reason: String,
    },
    /// No enclave, and a report that says so for this generation: the pipeline waits for it.
    Stopped {
        /// The row's generation.
        generation: u64,
    },
    /// No enclave.
    Nothing,
}

impl Want {
    /// The launch that it speaks of.
    pub fn launch(&self) -> Option<&Launch> {
        match self {
            Self::Enclave(assignment) => Some(&assignment.launch),
            Self::Impossible { launch, .. } => Some(launch),
            Self::Stopped { .. } | Self::Nothing => None,
        }
    }
}

/// An enclave that a row asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The row.
    pub id: RecordId,
    /// Its launch.
    pub launch: Launch,
    /// What the pipeline verifies against, and so does the host.
    pub expected: Expected,
    /// What the client asks for.
    pub request: EnclaveRequest,
}

/// What the host `instance_id` of `region` has to do for `row`.
pub fn want(row: &Row, instance_id: &str, region: &str) -> Want {
    let mine = row.host_id.as_deref() == Some(instance_id);
    let waits = matches!(
        row.status,
        Status::Pausing | Status::PendingDestroy | Status::Destroying | Status::Failed
    );
    if mine && waits {
        return Want::Stopped {
            generation: row.generation,
        };
    }
    let expected = row
        .current_expectation()
        .filter(|expected| expected.instance_id == instance_id);
    let Some(expected) = expected.filter(|_| mine && row.status.wants_enclave()) else {
        return Want::Nothing;
    };
    let launch = Launch::of(row);
    if let Some(reason) = unproving(expected) {
        return Want::Impossible { launch, reason };
    }
    match EnclaveRequest::read(&row.item, region) {
        Ok(request) => {
            let (id, expected) = (row.id.clone(), expected.clone());
            Want::Enclave(Box::new(Assignment {
                id,
                launch,
                expected,
                request,
            }))
        }
        Err(faults) => Want::Impossible {
            launch,
            reason: fault::describe(&faults),
        },
    }
}

/// Why evidence that meets `expected` would leave open what runs where, and for whom; none if it does not.
fn unproving(expected: &Expected) -> Option<String> {
    let missing = NEEDED_PCRS
        .iter()
        .find(|index| !expected.pcrs.contains_key(**index))?;
    Some(format!(
        "expected.pcrs.{missing}: is missing, and without it the evidence does not prove what runs; deploy the row again"
    ))
}

/// What is to be done for one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Launch it.
    Launch,
    /// Challenge what runs, and report it.
    Watch,
    /// Stop what runs.
    Stop,
    /// Report that it was launched and is gone: it is never launched again.
    ReportGone,
    /// Report that it cannot be.
    ReportImpossible,
    /// Report that nothing runs.
    ReportStopped,
    /// Say the last word again: it was failed.
    Rest,
    /// Forget the row.
    Forget,
}

/// What one row has on this host.
#[derive(Debug, Clone, Copy, Default)]
pub struct Have<'a> {
    /// The launch that an enclave runs for.
    pub running: Option<&'a Launch>,
    /// The last launch in the ledger.
    pub launched: Option<&'a Launch>,
    /// The launch that was given up and reported.
    pub failed: Option<&'a Launch>,
}

/// What is to be done.
pub fn decide(want: &Want, have: Have<'_>) -> Action {
    match (want, have.running) {
        (Want::Enclave(wanted), Some(running))
            if *running == wanted.launch && have.failed != Some(running) =>
        {
            Action::Watch
        }
        (_, Some(_)) => Action::Stop,
        (Want::Enclave(wanted), None) if have.failed == Some(&wanted.launch) => Action::Rest,
        (Want::Enclave(wanted), None) if have.launched == Some(&wanted.launch) => Action::ReportGone,
        (Want::Enclave(_), None) => Action::Launch,
        (Want::Impossible { launch, .. }, None) if have.failed == Some(launch) => Action::Rest,
        (Want::Impossible { .. }, None) => Action::ReportImpossible,
        (Want::Stopped { .. }, None) => Action::ReportStopped,
        (Want::Nothing, None) => Action::Forget,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use contract::item;

    const ME: &str = "i-0123456789abcdef0";
    const OTHER: &str = "i-ffffffffffffffff0";

    pub(crate) fn row(status: &str, host: &str, generation: u64, expected_generation: u64) -> Row {
        let json = format!(
            r#"{{"id": "enc_1", "status": "{status}", "generation": {generation}, "hostId": "{host}",
                "trigger": {{"sequence": "{generation}00", "generation": {generation}}},
                "expected": {{"generation": {expected_generation}, "imageDigest": "sha256:aa", "bundle": "sha256:bb",
                    "pcrs": {{"0": "00", "1": "01", "2": "02", "4": "04", "16": "16"}}, "instanceId": "{ME}", "challenge": "cc"}},
                "configuration": {{"cpu_count": 2, "memory_mib": 1024, "eif_path": "s3://bucket/x.eif"}}}}"#
        );
        Row::read(item::read(&json).unwrap()).unwrap()
    }

    fn launch(generation: u64) -> Launch {
        Launch {
            generation,
            sequence: Some(format!("{generation}00")),
        }
    }

    #[test]
    fn rows_are_wanted_as_their_status_and_assignment_say() {
        for status in contract::status::ALL {
            let wanted = want(&row(status.as_str(), ME, 2, 2), ME, "us-west-2");
            match status {
                Status::Deploying | Status::Deployed | Status::Resuming => {
                    let Want::Enclave(assignment) = wanted else {
                        panic!("{status}: {wanted:?}")
                    };
                    assert_eq!(assignment.launch, launch(2));
                }
                Status::Pausing | Status::PendingDestroy | Status::Destroying | Status::Failed => {
                    assert_eq!(wanted, Want::Stopped { generation: 2 }, "{status}");
                }
                _ => assert_eq!(wanted, Want::Nothing, "{status}"),
            }
            assert_eq!(
                want(&row(status.as_str(), OTHER, 2, 2), ME, "us-west-2"),
                Want::Nothing
            );
            assert_eq!(
                want(&row(status.as_str(), ME, 2, 2), OTHER, "us-west-2"),
                Want::Nothing
            );
        }
        assert_eq!(
            want(&row("RESUMING", ME, 3, 2), ME, "us-west-2"),
            Want::Nothing,
            "expectation of the last turn"
        );
    }

    #[test]
    fn a_row_that_asks_for_nonsense_is_answered() {
        let mut attributes = row("DEPLOYING", ME, 2, 2).item.into_inner();
        attributes.remove("configuration");
        let row = Row::read(item::Item::from(attributes)).unwrap();
        let Want::Impossible { reason, .. } = want(&row, ME, "us-west-2") else {
            panic!()
        };
        assert!(reason.contains("configuration"), "{reason}");
    }

    #[test]
    fn a_row_that_expects_too_little_of_its_evidence_is_never_launched() {
        for index in ["0", "1", "2", "4", "16"] {
            let mut row = row("DEPLOYING", ME, 2, 2);
            row.expected.as_mut().unwrap().pcrs.remove(index);
            let Want::Impossible { reason, .. } = want(&row, ME, "us-west-2") else {
                panic!("PCR{index} is not missed")
            };
            assert!(
                reason.contains(&format!("expected.pcrs.{index}: is missing")),
                "{reason}"
            );
        }
    }

    #[test]
    fn decisions() {
        let Want::Enclave(second) = want(&row("DEPLOYING", ME, 2, 2), ME, "us-west-2") else {
            panic!()
        };
        let enclave = Want::Enclave(second);
        let impossible = Want::Impossible {
            launch: launch(2),
            reason: "x".into(),
        };
        let stopped = Want::Stopped { generation: 2 };
        // running, in the ledger, failed
        let (none, first, second) = (None, Some(1), Some(2));
        for (wanted, running, launched, failed, action) in [
            (&enclave, none, none, none, Action::Launch),
            (&enclave, none, first, first, Action::Launch),
            (&enclave, second, second, none, Action::Watch),
            (&enclave, second, second, first, Action::Watch),
            // Of an earlier generation, or given up.
            (&enclave, first, first, none, Action::Stop),
            (&enclave, first, second, none, Action::Stop),
            (&enclave, second, second, second, Action::Stop),
            // Never twice.
            (&enclave, none, second, none, Action::ReportGone),
            (&enclave, none, second, second, Action::Rest),
            (&enclave, none, none, second, Action::Rest),
            (&impossible, none, none, none, Action::ReportImpossible),
            (&impossible, none, none, second, Action::Rest),
            (&impossible, first, first, none, Action::Stop),
            (&stopped, none, none, none, Action::ReportStopped),
            (&stopped, none, second, second, Action::ReportStopped),
            (&stopped, second, second, none, Action::Stop),
            (&Want::Nothing, none, second, second, Action::Forget),
            (&Want::Nothing, second, second, none, Action::Stop),
        ] {
            let [running, launched, failed] = [running, launched, failed].map(|n: Option<u64>| n.map(launch));
            let have = Have {
                running: running.as_ref(),
                launched: launched.as_ref(),
                failed: failed.as_ref(),
            };
            assert_eq!(decide(wanted, have), action, "{wanted:?} {have:?}");
        }
    }
}
