//! What a proof claims, in words: each thing that is proven, and each that a reader might take for proven and is not.

use crate::expectation::{IMAGE_PCRS, Settles};
use crate::options::Time;
use crate::proof::Proof;
use attestation::Trust;
use contract::fault::printable;
use contract::statement::Statement;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// One thing that is proven, or is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whether it is proven.
    pub proven: bool,
    /// The thing.
    pub subject: &'static str,
    /// What is proven of it, or why nothing is.
    pub finding: String,
    /// What proves it; empty where nothing does.
    pub by: String,
}

impl Proof {
    /// Everything that a reader should know to be proven or not, in the order in which it matters.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        let mut claims = vec![self.genuine(), self.hardware(), self.image_claim()];
        claims.extend(self.release_claim());
        if let Some(statement) = &self.statement {
            claims.extend(self.statement_claims(statement));
            claims.extend(self.author());
        } else {
            claims.extend(self.other_registers());
        }
        claims.push(self.age());
        claims.push(self.challenge());
        claims
    }

    /// Whether `what` was compared.
    fn has(&self, what: &str) -> bool {
        self.compared.iter().any(|name| name == what)
    }

    fn settles(&self) -> Settles {
        Settles::of(|index| self.has(&index.to_string()))
    }

    fn compared_registers(&self, wanted: impl Fn(u8) -> bool) -> Vec<String> {
        let wanted = |name: &&String| name.parse().is_ok_and(&wanted);
        self.compared
            .iter()
            .filter(wanted)
            .map(|index| format!("PCR{index}"))
            .collect()
    }

    fn genuine(&self) -> Claim {
        proven(
            "document",
            format!("genuine, of {}", self.document.module_id),
            "its signature and certificate chain",
        )
    }

    fn hardware(&self) -> Claim {
        match self.trust {
            Trust::AwsNitro => proven(
                "hardware",
                "an AWS Nitro Enclave".into(),
                "AWS's root (aws-nitro)",
            ),
            Trust::Development => unproven(
                "hardware",
                "it stands on a DEVELOPMENT root, which proves nothing about hardware",
            ),
            Trust::Custom => unproven(
                "hardware",
                "it stands on a root that you named (custom): as good as the keeper of its key",
            ),
        }
    }

    fn image_claim(&self) -> Claim {
        if self.document.is_debug() {
            return self.debug_claim();
        }
        let registers = self
            .compared_registers(|index| IMAGE_PCRS.contains(&index))
            .join(", ");
        match (self.settles(), &self.image) {
            (Settles::Nothing, _) => unproven(
                "image",
                "neither PCR0, nor PCR1 and PCR2, nor PCR8 was compared: anybody's enclave has such a document",
            ),
            (Settles::Signer, _) => proven("image", "an image of this signer".into(), registers),
            (Settles::Image, Some(image)) => proven(
                "image",
                format!("{}, with bundle {}", image.digest, image.bundle),
                format!("{registers}, measured here"),
            ),
            (Settles::Image, None) => proven("image", "the one that you expect".into(), registers),
        }
    }

    /// In debug mode the registers of the image are zero, whatever was expected of them.
    fn debug_claim(&self) -> Claim {
        let withheld = self.not_compared.iter().filter(|name| name.parse::<u8>().is_ok());
        let withheld: Vec<_> = withheld.map(|index| format!("PCR{index}")).collect();
        let finding = "the enclave is in debug mode: any program, and its host may read along";
        match withheld.is_empty() {
            true => unproven("image", finding),
            false => unproven(
                "image",
                format!("{finding}; expected, but not compared: {}", withheld.join(", ")),
            ),
        }
    }

    fn release_claim(&self) -> Option<Claim> {
        let finding = format!("{}, as your policy names it", self.release.as_ref()?);
        let registers = self.compared_registers(|_| true).join(", ");
        Some(proven("release", finding, registers))
    }

    fn other_registers(&self) -> Option<Claim> {
        let registers = self.compared_registers(|index| !IMAGE_PCRS.contains(&index));
        (!registers.is_empty())
            .then(|| proven("other registers", "as you expect".into(), registers.join(", ")))
    }

    /// What row and statement say. PCR16 shows the launch message, whoever made the statement; the rest of it is as
    /// good as its author. In debug mode the host may have put any words into any mouth, and where the image is not
    /// settled any program may have extended PCR16.
    fn statement_claims(&self, statement: &Statement) -> Vec<Claim> {
        let debug = self.document.is_debug();
        let any_agent = self.settles() != Settles::Image;
        let shown = |subject, finding: String| match (debug, any_agent) {
            (true, _) => unproven(subject, format!("{finding}; but the enclave is in debug mode")),
            (_, true) => unproven(
                subject,
                format!("{finding}; but without PCR0, or PCR1 and PCR2, any agent may say so"),
            ),
            _ => proven(subject, finding, "PCR16, worked out from the row"),
        };
        let said = |subject, finding: String| match !debug && !any_agent && self.agent_is_author() {
            true => proven(subject, finding, "the agent's statement"),
            false => unproven(subject, format!("{finding}, as the statement says")),
        };
        let row = format!("{}, generation {}", statement.record_id, statement.generation);
        let health = statement.health.state.as_str();
        let mut claims = vec![
            proven("instance", self.document.instance_id().to_owned(), "PCR4"),
            shown("row", row),
            shown(
                "configuration",
                "the enclave took the row's: environment, ports, probe, bundle".into(),
            ),
            said(
                "health",
                format!("{health} at statement {} of its boot", statement.sequence),
            ),
        ];
        if self.image.is_none() {
            claims.push(said("image digest", printable(&statement.image_digest, 80)));
        }
        claims.push(unproven(
            "rest of the row",
            "status and endpoints are the pipeline's and the host's word; CPUs, memory, the image's reference and \
             `expected` are the row's own",
        ));
        claims
    }

    fn agent_is_author(&self) -> bool {
        self.image.as_ref().is_some_and(|image| !image.nsm)
    }

    /// Who made the statement: the agent alone, unless the application has the secure module too.
    fn author(&self) -> Option<Claim> {
        match self.image.as_ref().map(|image| image.nsm) {
            Some(false) => None,
            Some(true) => Some(unproven(
                "statement's author",
                "the image's label gives the application the secure module: \
                 the application could have made the statement itself",
            )),
            None => Some(unproven(
                "statement's author",
                "whether the image's label gives the application the secure module shows with --image alone; \
                 if it does, the application could have made the statement itself",
            )),
        }
    }

    /// When the document was made, as far as the clock tells.
    fn age(&self) -> Claim {
        let (now, clock) = match self.time {
            Time::Now(now) => (now, "now"),
            Time::Named(now) => (now, "the time that you named"),
            Time::OfDocument => {
                return unproven(
                    "still true",
                    format!(
                        "judged at the document's own time, {}: it was good then, which says nothing of now, and \
                         whoever has got hold of its key since could have made it",
                        self.made()
                    ),
                );
            }
        };
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let age = now
            .saturating_sub(Duration::from_millis(self.document.timestamp_ms))
            .as_secs();
        let finding = format!("{age} s before {clock}");
        match self.has("timestamp") {
            true => proven("made", finding, "the document's timestamp"),
            false => unproven("fresh", format!("made {finding}; no greatest age was asked for")),
        }
    }

    /// The document's timestamp, as people write it in UTC, or its number where no calendar reaches.
    pub(crate) fn made(&self) -> String {
        let milliseconds = self.document.timestamp_ms;
        let made = i64::try_from(milliseconds / 1000)
            .ok()
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
            .and_then(|time| time.format(&Rfc3339).ok());
        made.unwrap_or_else(|| format!("{milliseconds} ms"))
    }

    fn challenge(&self) -> Claim {
        if self.has("nonce") {
            let finding =
                "it carries the nonce that you named; that is an answer to you if you drew it, for this once";
            return proven("challenge", finding.into(), "the document's nonce");
        }
        unproven(
            "challenge",
            "a stored document's nonce proves nothing to anyone else: its freshness is its timestamp",
        )
    }
}

fn proven(subject: &'static str, finding: String, by: impl Into<String>) -> Claim {
    Claim {
        proven: true,
        subject,
        finding,
        by: by.into(),
    }
}

fn unproven(subject: &'static str, finding: impl Into<String>) -> Claim {
    Claim {
        proven: false,
        subject,
        finding: finding.into(),
        by: String::new(),
    }
}
