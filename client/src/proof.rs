//! What a verification that succeeded proves, and what it does not.

use crate::document::{self, Checked};
use crate::evidence::Verified;
use crate::expectation::IMAGE_PCRS;
use crate::image::Measured;
use crate::options::{Criteria, Error, Options};
use crate::refusal::{Code, Refusal};
use crate::row;
use attestation::{Attested, Trust};
use contract::fault::printable;
use contract::item::{self, Item};
use contract::statement::Statement;
use std::time::{Duration, SystemTime};

/// The outcome of a verification, for [`crate::report`].
pub type Outcome = Result<Proof, Error>;

/// A verification that succeeded.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The document, with its trust, debug mode and registers.
    pub attested: Attested,
    /// What was compared and found as expected.
    pub compared: Vec<String>,
    /// The row's statement, compared with the row; a document alone has none.
    pub statement: Option<Statement>,
    /// The image that was measured here.
    pub image: Option<Measured>,
    /// The verifier's time.
    pub now: SystemTime,
}

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

/// Verifies a document, given as raw bytes, hex or base64.
///
/// # Errors
/// As [`Error`] says.
pub async fn verify_document(input: Vec<u8>, options: &Options) -> Outcome {
    let criteria = options.criteria(None).await?;
    let document = crate::input::document_bytes(input);
    let Checked { attested, compared } =
        document::verify(&document, &criteria.expectation, &criteria.roots, criteria.now)?;
    Ok(Proof {
        attested,
        compared,
        statement: None,
        image: criteria.image,
        now: criteria.now,
    })
}

/// Verifies the evidence in a row.
///
/// # Errors
/// As [`Error`] says.
pub async fn verify_row(item: Item, options: &Options) -> Outcome {
    let Criteria {
        expectation,
        image,
        roots,
        now,
    } = options.criteria(row::named_bundle(&item).as_deref()).await?;
    let bundle = image.as_ref().map(|image| image.bundle.as_str());
    let Verified {
        statement,
        attested,
        compared,
    } = row::verify(item, &expectation, bundle, &roots, now)?;
    Ok(Proof {
        attested,
        compared,
        statement: Some(statement),
        image,
        now,
    })
}

/// Reads a row's JSON, plain or DynamoDB's.
///
/// # Errors
/// [`Refusal`] with code `row_malformed`.
pub fn read_row(input: &[u8]) -> Result<Item, Refusal> {
    item::read(&String::from_utf8_lossy(input)).map_err(|fault| {
        let found = printable(&fault.problem, 256);
        Refusal::new(
            Code::RowMalformed,
            printable(&fault.field, 64),
            found,
            "a row in plain or in DynamoDB's JSON",
        )
    })
}

impl Proof {
    /// Everything that a reader should know to be proven or not, in the order in which it matters.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        let mut claims = vec![self.genuine(), self.hardware(), self.image_claim()];
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

    fn compared_registers(&self, wanted: impl Fn(u8) -> bool) -> Vec<String> {
        let wanted = |name: &&String| name.parse().is_ok_and(&wanted);
        self.compared
            .iter()
            .filter(wanted)
            .map(|index| format!("PCR{index}"))
            .collect()
    }

    fn genuine(&self) -> Claim {
        let document = self.attested.document();
        proven(
            "document",
            format!("genuine, of {}", document.module_id),
            "its signature and certificate chain",
        )
    }

    fn hardware(&self) -> Claim {
        match self.attested.trust() {
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
        let registers = self.compared_registers(|index| IMAGE_PCRS.contains(&index));
        if self.attested.is_debug() {
            return unproven(
                "image",
                "the enclave is in debug mode: any program, and its host may read along",
            );
        }
        if registers.is_empty() {
            return unproven(
                "image",
                "no PCR that measures it was compared: anybody's enclave has such a document",
            );
        }
        match &self.image {
            Some(image) => proven(
                "image",
                format!("{}, with bundle {}", image.digest, image.bundle),
                format!("{}, measured here", registers.join(", ")),
            ),
            None => proven("image", "the one that you expect".into(), registers.join(", ")),
        }
    }

    fn other_registers(&self) -> Option<Claim> {
        let registers = self.compared_registers(|index| !IMAGE_PCRS.contains(&index));
        (!registers.is_empty())
            .then(|| proven("other registers", "as you expect".into(), registers.join(", ")))
    }

    /// What row and statement say. PCR16 shows the launch message, whoever made the statement; the rest of it is as
    /// good as its author. In debug mode the host may have put any words into any mouth.
    fn statement_claims(&self, statement: &Statement) -> Vec<Claim> {
        let debug = self.attested.is_debug();
        let shown = |subject, finding: String| match debug {
            true => unproven(subject, format!("{finding}; but the enclave is in debug mode")),
            false => proven(subject, finding, "PCR16, worked out from the row"),
        };
        let said = |subject, finding: String| match !debug && self.agent_is_author() {
            true => proven(subject, finding, "the agent's statement"),
            false => unproven(subject, format!("{finding}, as the statement says")),
        };
        let row = format!("{}, generation {}", statement.record_id, statement.generation);
        let health = statement.health.state.as_str();
        let mut claims = vec![
            proven(
                "instance",
                self.attested.document().instance_id().to_owned(),
                "PCR4",
            ),
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
            "status and endpoints are the pipeline's and the host's word",
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

    fn age(&self) -> Claim {
        let made = self.attested.document().timestamp_ms;
        let now = self
            .now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let age = now.saturating_sub(Duration::from_millis(made)).as_secs();
        let finding = format!("{age} s before the verifier's time");
        match self.has("timestamp") {
            true => proven("made", finding, "the document's timestamp"),
            false => unproven("fresh", format!("made {finding}; no greatest age was asked for")),
        }
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
