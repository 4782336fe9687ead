//! The one place where evidence, a statement and the document that it is bound to, is checked.

use crate::expectation::Expectation;
use crate::refusal::{Code, Refusal};
use attestation::{Archived, Attested, Clock, Document, Genuine, Live, Policy, Root, pcr4_of};
use contract::fault::printable;
use contract::launch::pcr16_of;
use contract::statement::Statement;
use std::fmt::Display;
use std::time::SystemTime;

/// The register that holds the instance's id.
const PCR_INSTANCE: u8 = 4;
/// The register that the agent extends with the launch message's digest.
const PCR_LAUNCH: u8 = 16;

/// Evidence that met an expectation, by the clock `C`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<C: Clock = Live> {
    /// What the agent says, bound to the document.
    pub statement: Statement,
    /// The document; its trust, debug mode and registers.
    pub attested: Attested<C>,
    /// What was compared and found as expected: [`Attested::compared`] (always with 4 and 16), then "statement", and
    /// "record_id", "generation", "instance_id", "launch_digest", "image_digest" as far as they are expected.
    pub compared: Vec<String>,
}

/// Verifies that a document is genuine under one of `roots` at the time `now`, that `statement` (canonical CBOR) is
/// bound to it, and that both are as expected. PCR4 and PCR16 are always compared: with the document's own instance
/// and the statement's own launch message where nothing else is expected.
///
/// # Errors
/// The [`Refusal`] for the first rule that is broken. Without an expectation of a register that measures the image
/// that is `no_expectation`: anybody's program could have made the statement.
pub fn verify(
    statement: &[u8],
    document: &[u8],
    expectation: &Expectation,
    roots: &[Root],
    now: SystemTime,
) -> Result<Verified, Refusal> {
    require_image(expectation)?;
    let genuine = attestation::verify(document, roots, now)?;
    judge(statement, genuine, expectation, |genuine, policy| {
        genuine.check(policy, now)
    })
}

/// Verifies archived evidence at the document's own time: as [`verify`], but for its age. It was good then.
///
/// # Errors
/// As for [`verify`].
pub fn audit(
    statement: &[u8],
    document: &[u8],
    expectation: &Expectation,
    roots: &[Root],
) -> Result<Verified<Archived>, Refusal> {
    require_image(expectation)?;
    let genuine = attestation::audit(document, roots)?;
    judge(statement, genuine, expectation, Genuine::<Archived>::check)
}

/// Refuses an expectation that leaves open which image made the statement.
pub(crate) fn require_image(expectation: &Expectation) -> Result<(), Refusal> {
    match expectation.measures_image() {
        true => Ok(()),
        false => Err(Refusal::no_expectation()),
    }
}

/// Holds a genuine document and its statement against `expectation`; `check` is the one of the document's clock.
fn judge<C: Clock>(
    statement: &[u8],
    genuine: Genuine<C>,
    expectation: &Expectation,
    check: impl FnOnce(Genuine<C>, &Policy) -> Result<Attested<C>, attestation::Refusal>,
) -> Result<Verified<C>, Refusal> {
    let statement = bound_statement(statement, genuine.document())?;
    let mut compared = Comparison(vec!["statement".to_owned()]);
    compared.row(&statement, genuine.document(), expectation)?;
    // After the row, so that evidence of another row is called that and not a difference of hashes; before the image
    // digest, which is only as good as the registers.
    let policy = document_policy(&statement, genuine.document(), expectation)?;
    let attested = check(genuine, &policy)?;
    compared.same(
        Code::ImageMismatch,
        "image_digest",
        &statement.image_digest,
        expectation.image_digest.as_ref(),
    )?;
    Ok(Verified {
        compared: attested.compared().iter().cloned().chain(compared.0).collect(),
        statement,
        attested,
    })
}

/// Reads a statement that the document carries the digest of.
fn bound_statement(statement: &[u8], document: &Document) -> Result<Statement, Refusal> {
    let read = Statement::decode(statement).map_err(|error| {
        Refusal::new(
            Code::StatementMalformed,
            "statement",
            printable(&error.to_string(), 256),
            "a statement in canonical CBOR",
        )
    })?;
    let digest = Statement::user_data(statement);
    if document.user_data.as_deref() != Some(&digest) {
        return Err(Refusal::new(
            Code::StatementNotBound,
            "user_data",
            document
                .user_data
                .as_deref()
                .map_or_else(|| "absent".into(), short_hex),
            format!("{}, the statement's digest", hex::encode(digest)),
        ));
    }
    let left = pcr16_of(&read.launch_digest);
    let found = document.pcrs.get(&PCR_LAUNCH);
    if found != Some(&left) {
        return Err(Refusal::new(
            Code::LaunchNotBound,
            format!("pcrs[{PCR_LAUNCH}]"),
            found.map_or_else(|| "absent".into(), hex::encode),
            format!(
                "{}, of the launch message that the statement names",
                hex::encode(left)
            ),
        ));
    }
    Ok(read)
}

/// What the document itself must meet.
fn document_policy(
    statement: &Statement,
    document: &Document,
    expectation: &Expectation,
) -> Result<Policy, Refusal> {
    let mut policy = expectation.policy(document)?;
    if !expectation.pcrs.contains_key(&PCR_INSTANCE) {
        policy = policy.pcr(PCR_INSTANCE, pcr4_of(document.instance_id()));
    }
    if !expectation.pcrs.contains_key(&PCR_LAUNCH) {
        policy = policy.pcr(PCR_LAUNCH, pcr16_of(&statement.launch_digest));
    }
    Ok(policy)
}

/// The names of what was compared and found as expected.
struct Comparison(Vec<String>);

impl Comparison {
    /// Compares which row, on which instance, with which configuration.
    fn row(
        &mut self,
        statement: &Statement,
        document: &Document,
        expectation: &Expectation,
    ) -> Result<(), Refusal> {
        self.same(
            Code::RecordMismatch,
            "record_id",
            &statement.record_id,
            expectation.record_id.as_ref(),
        )?;
        self.same(
            Code::GenerationMismatch,
            "generation",
            &statement.generation,
            expectation.generation.as_ref(),
        )?;
        self.same(
            Code::InstanceMismatch,
            "instance_id",
            &document.instance_id().to_owned(),
            expectation.instance_id.as_ref(),
        )?;
        self.same(
            Code::LaunchMismatch,
            "launch_digest",
            &hex::encode(statement.launch_digest),
            expectation.launch_digest.map(hex::encode).as_ref(),
        )
    }

    fn same<T>(&mut self, code: Code, field: &str, found: &T, expected: Option<&T>) -> Result<(), Refusal>
    where
        T: PartialEq + Display,
    {
        let Some(expected) = expected else { return Ok(()) };
        if found != expected {
            return Err(Refusal::new(
                code,
                field,
                printable(&found.to_string(), 128),
                printable(&expected.to_string(), 128),
            ));
        }
        self.0.push(field.to_owned());
        Ok(())
    }
}

/// The beginning of bytes of the document, in hex.
fn short_hex(bytes: &[u8]) -> String {
    printable(&hex::encode(bytes), 128)
}
