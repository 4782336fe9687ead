//! Why evidence is refused: a code for machines, and what was found against what was expected for people.

use std::fmt;

/// The rule that evidence breaks. A code never changes its meaning; new ones may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code {
    /// A rule of the attestation document itself, under its own code.
    Document(attestation::Code),
    /// The statement is not one, or not in canonical form.
    StatementMalformed,
    /// The document does not carry this statement's digest.
    StatementNotBound,
    /// PCR16 is not what the launch message that the statement names leaves there.
    LaunchNotBound,
    /// The statement speaks of another row.
    RecordMismatch,
    /// The statement speaks of another generation of the row.
    GenerationMismatch,
    /// The document is of an enclave on another instance.
    InstanceMismatch,
    /// The enclave took another launch message than the expected one.
    LaunchMismatch,
    /// The enclave runs another image.
    ImageMismatch,
    /// The row cannot be read.
    RowMalformed,
    /// The row carries no evidence.
    NoEvidence,
    /// An option, or a file that one names, is not what it must be.
    BadInput,
    /// The row's enclave was built with a bundle that the verifier does not hold.
    UnknownBundle,
}

impl Code {
    /// The stable, machine-readable spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Document(code) => code.as_str(),
            Self::StatementMalformed => "statement_malformed",
            Self::StatementNotBound => "statement_not_bound",
            Self::LaunchNotBound => "launch_not_bound",
            Self::RecordMismatch => "record_mismatch",
            Self::GenerationMismatch => "generation_mismatch",
            Self::InstanceMismatch => "instance_mismatch",
            Self::LaunchMismatch => "launch_mismatch",
            Self::ImageMismatch => "image_mismatch",
            Self::RowMalformed => "row_malformed",
            Self::NoEvidence => "no_evidence",
            Self::BadInput => "bad_input",
            Self::UnknownBundle => "unknown_bundle",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The refusal of evidence. Its text is safe to print: what came from the evidence is bounded and escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {field}: found {found}, expected {expected}")]
pub struct Refusal {
    /// The rule that was broken.
    pub code: Code,
    /// Where: `pcrs[4]`, `statement.record_id`, an attribute of the row.
    pub field: String,
    /// What was found there.
    pub found: String,
    /// What would have been accepted, or what to do.
    pub expected: String,
}

impl Refusal {
    pub(crate) fn new(
        code: Code,
        field: impl Into<String>,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> Self {
        Self {
            code,
            field: field.into(),
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }
}

impl Refusal {
    /// The refusal of an expectation that does not say which image it expects.
    pub(crate) fn no_expectation() -> Self {
        Self::new(
            Code::Document(attestation::Code::NoExpectation),
            "expectation",
            "none that settles the image",
            "PCRs that settle the image (0, or 1 and 2, or its signer's 8) from a source of one's own: \
             --pcr, --policy or --image",
        )
    }

    /// The refusal of an expectation of the register `index` that nothing could meet.
    pub(crate) fn no_value(index: u8) -> Self {
        Self::new(
            Code::Document(attestation::Code::NoExpectation),
            format!("expectation.pcrs[{index}]"),
            "no value",
            "at least one value, or no mention of the register",
        )
    }
}

impl From<attestation::Refusal> for Refusal {
    fn from(refusal: attestation::Refusal) -> Self {
        Self::new(
            Code::Document(refusal.kind()),
            refusal.field(),
            refusal.found(),
            refusal.expected(),
        )
    }
}
