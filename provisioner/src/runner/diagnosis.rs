//! What Terraform says, line by line in JSON, and what a person is to do about what went wrong.
//!
//! The lines: <https://developer.hashicorp.com/terraform/internals/machine-readable-ui>. The codes of EC2:
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>.

use contract::fault::printable;
use serde::Deserialize;

/// The most bytes of a line that are read; Terraform's own are far shorter.
pub const MAX_LINE: usize = 256 * 1024;
/// The most errors of a run that are kept.
const MOST_ERRORS: usize = 20;
/// The most characters of an error that go into a reason.
const MAX_ERROR: usize = 600;

/// What to do about a failure of Terraform's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The zone has none of these instances now: another zone may.
    Capacity,
    /// AWS asks to be asked more slowly.
    Throttled,
    /// A lock of Terraform's own, with this id, that a run which was lost has left.
    Locked(String),
    /// No other try mends it.
    Final,
}

/// Why Terraform failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What to do.
    pub kind: Kind,
    /// The reason for a row: what, and the mend.
    pub reason: String,
}

/// A line of Terraform's.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(rename = "@level", default)]
    level: String,
    #[serde(rename = "@message", default)]
    message: String,
    diagnostic: Option<Diagnostic>,
}

#[derive(Debug, Clone, Deserialize)]
struct Diagnostic {
    #[serde(default)]
    severity: String,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    detail: String,
    address: Option<String>,
}

/// What a run of Terraform has said that matters after it.
#[derive(Debug, Default)]
pub struct Transcript {
    errors: Vec<String>,
}

impl Transcript {
    /// Takes up a line, and logs it.
    pub fn line(&mut self, line: &str) {
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            let text = printable(line, MAX_ERROR);
            if !text.is_empty() {
                tracing::info!(text, "terraform");
            }
            return;
        };
        let text = printable(&line.message, MAX_ERROR);
        match line.diagnostic {
            Some(diagnostic) if diagnostic.severity == "error" => {
                let error = diagnostic.text();
                tracing::error!(error = printable(&error, MAX_ERROR), "terraform");
                if self.errors.len() < MOST_ERRORS {
                    self.errors.push(error);
                }
            }
            _ if line.level == "warn" => tracing::warn!(text, "terraform"),
            _ => tracing::info!(text, "terraform"),
        }
    }

    /// Why it failed, now that it has ended as `ended` says.
    pub fn failure(self, ended: &str) -> Failure {
        let all = self.errors.join("; ");
        let first = self.errors.first().map_or_else(
            || format!("Terraform {ended}: see the runner's log"),
            |error| printable(error, MAX_ERROR),
        );
        for (marks, kind, advice) in rules(&all) {
            if marks.iter().any(|mark| all.contains(mark)) {
                return Failure {
                    kind,
                    reason: format!("the host could not be made: {advice} ({first})"),
                };
            }
        }
        Failure {
            kind: Kind::Final,
            reason: format!("the host could not be made: {first}"),
        }
    }
}

impl Diagnostic {
    fn text(&self) -> String {
        let place = self
            .address
            .as_deref()
            .map_or(String::new(), |address| format!("{address}: "));
        let detail = match self.detail.trim() {
            "" => String::new(),
            detail => format!(": {detail}"),
        };
        format!("{place}{}{detail}", self.summary)
    }
}

/// What stands in an error, what kind that makes it, and the advice; the first that fits counts.
fn rules(all: &str) -> [(&'static [&'static str], Kind, &'static str); 6] {
    [
        (
            &["Error acquiring the state lock"],
            Kind::Locked(lock_id(all).unwrap_or_default()),
            "another run has Terraform's state",
        ),
        (
            &[
                "InsufficientInstanceCapacity",
                "InsufficientHostCapacity",
                "not supported in your requested Availability Zone",
            ],
            Kind::Capacity,
            "AWS has no such instances left in any zone of this environment now: try again later, or name another \
             instanceType",
        ),
        (
            &[
                "RequestLimitExceeded",
                "Throttling",
                "TooManyRequestsException",
                "Rate exceeded",
            ],
            Kind::Throttled,
            "AWS asks to be asked more slowly: try again in some minutes",
        ),
        (
            &["LimitExceeded", "QuotaExceeded", "AddressLimitExceeded"],
            Kind::Final,
            "a quota of the account is used up: raise it in Service Quotas, or destroy what is not needed",
        ),
        (
            &[
                "UnauthorizedOperation",
                "AccessDenied",
                "is not authorized to perform",
                "UnauthorizedAccess",
            ],
            Kind::Final,
            "the runner's role may not do it: compare the role, its permissions boundary and the organization's \
             policies with terraform/runtime",
        ),
        (
            &["Invalid value for variable"],
            Kind::Final,
            "terraform/host refuses a value",
        ),
    ]
}

/// The id of the lock, out of Terraform's own words, where it has a line of its own: `  ID:        7f1c…`.
fn lock_id(all: &str) -> Option<String> {
    let id = all
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("ID:"))?
        .trim();
    let sound = id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    sound.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn failure(summary: &str, detail: &str) -> Failure {
        let line = serde_json::json!({
            "@level": "error", "@message": format!("Error: {summary}"), "type": "diagnostic",
            "diagnostic": {"severity": "error", "summary": summary, "detail": detail, "address": "aws_instance.host"},
        });
        let mut transcript = Transcript::default();
        transcript
            .line(r#"{"@level":"info","@message":"aws_instance.host: Creating...","type":"apply_start"}"#);
        transcript.line(&line.to_string());
        transcript.failure("ended with exit code 1")
    }

    #[test]
    fn what_aws_says_becomes_what_a_person_does() {
        for (summary, kind, advice) in [
            (
                "creating EC2 Instance: operation error EC2: RunInstances, api error InsufficientInstanceCapacity: We \
                 currently do not have sufficient m6i.xlarge capacity",
                Kind::Capacity,
                "name another",
            ),
            (
                "creating EC2 Instance: api error Unsupported: Your requested instance type (m7i.xlarge) is not supported \
                 in your requested Availability Zone (us-west-2d)",
                Kind::Capacity,
                "try again later",
            ),
            (
                "creating EC2 Instance: api error VcpuLimitExceeded: You have requested more vCPU capacity",
                Kind::Final,
                "Service Quotas",
            ),
            (
                "creating IAM Role: api error AccessDenied: User is not authorized to perform: iam:CreateRole",
                Kind::Final,
                "permissions boundary",
            ),
            (
                "reading EC2 VPC: api error RequestLimitExceeded: Request limit exceeded.",
                Kind::Throttled,
                "some minutes",
            ),
            ("something new", Kind::Final, "something new"),
        ] {
            let failure = failure(summary, "");
            assert_eq!(failure.kind, kind, "{summary}");
            assert!(failure.reason.contains(advice), "{failure:?}");
            assert!(failure.reason.contains("aws_instance.host"), "{failure:?}");
        }
    }

    #[test]
    fn a_lock_that_was_left_is_known_by_its_id() {
        let detail = "Error message: operation error S3: PutObject, RequestID: d2BIri, PreconditionFailed\nLock Info:\n  \
                      ID:        7b8e1f4c-0000-1111-2222-333344445555\n  Path:      hosts/a.tfstate";
        assert_eq!(
            failure("Error acquiring the state lock", detail).kind,
            Kind::Locked("7b8e1f4c-0000-1111-2222-333344445555".into())
        );
        let hostile = "Lock Info:\n  ID: -force;rm";
        assert_eq!(
            failure("Error acquiring the state lock", hostile).kind,
            Kind::Locked(String::new())
        );
    }

    #[test]
    fn an_end_without_a_word_is_said() {
        let failure = Transcript::default().failure("was ended by signal 9");
        assert!(failure.reason.contains("signal 9"), "{failure:?}");
    }

    proptest! {
        #[test]
        fn no_line_panics(lines in prop::collection::vec("\\PC{0,80}", 0..8)) {
            let mut transcript = Transcript::default();
            for line in &lines {
                transcript.line(line);
                transcript.line(&format!(r#"{{"@level":"error","diagnostic":{{"severity":"error","summary":{line:?}}}}}"#));
            }
            prop_assert!(transcript.failure("ended").reason.len() < 4096);
        }
    }
}
