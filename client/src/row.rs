//! A row: its evidence, held against an expectation of the reader's own and against what the row itself asks for.

use crate::evidence::{self, Verified, require_image};
use crate::expectation::Expectation;
use crate::refusal::{Code, Refusal};
use attestation::{Archived, Root};
use contract::fault::{self, printable};
use contract::item::{AttributeValue, Item};
use contract::request::EnclaveRequest;
use contract::row::Row;
use contract::{Fault, RecordId};
use std::time::{Duration, SystemTime};

/// The greatest age of a row's document where the caller names none. Running enclaves report every 30 s.
pub const MAX_AGE: Duration = Duration::from_secs(120);

/// Verifies the evidence in a row. Of `expectation` (the caller's own, never taken from the row) the row's id and
/// generation, and the launch message that the row's configuration makes with `bundle`, need not be given: they are
/// read from the row and compared with what the enclave says it took. Without `bundle` it is the one that the row
/// names, which proves it all the same: it is part of the launch message.
///
/// # Errors
/// The [`Refusal`] for the first rule that is broken; `launch_mismatch` says that the configuration in the row is
/// not what the enclave took.
pub fn verify(
    item: Item,
    expectation: &Expectation,
    bundle: Option<&str>,
    roots: &[Root],
    now: SystemTime,
) -> Result<Verified, Refusal> {
    require_image(expectation)?;
    let row = Row::read(item).map_err(malformed)?;
    if !row.status.wants_enclave() {
        return Err(no_enclave(&row));
    }
    let (statement, document) = stored_evidence(&row)?;
    let expectation = Expectation {
        max_age: expectation.max_age.or(Some(MAX_AGE)),
        ..asked(&row, expectation, bundle)?
    };
    evidence::verify(statement, document, &expectation, roots, now).map_err(explain_launch)
}

/// Verifies the evidence in an archived row at its document's own time: as [`verify`], but for its age, and whether
/// the row's enclave is still to run.
///
/// # Errors
/// As for [`verify`].
pub fn audit(
    item: Item,
    expectation: &Expectation,
    bundle: Option<&str>,
    roots: &[Root],
) -> Result<Verified<Archived>, Refusal> {
    require_image(expectation)?;
    let row = Row::read(item).map_err(malformed)?;
    let (statement, document) = stored_evidence(&row)?;
    let expectation = asked(&row, expectation, bundle)?;
    evidence::audit(statement, document, &expectation, roots).map_err(explain_launch)
}

/// `expectation`, with what the row itself asks for.
fn asked(row: &Row, expectation: &Expectation, bundle: Option<&str>) -> Result<Expectation, Refusal> {
    let named = row.expected.as_ref().map(|expected| expected.bundle.as_str());
    let bundle = bundle
        .or(named)
        .ok_or_else(|| no_evidence(row, "expected.bundle"))?;
    Ok(Expectation {
        record_id: Some(row.id.to_string()),
        generation: Some(row.generation),
        launch_digest: Some(launch_digest(&row.item, &row.id, row.generation, bundle)?),
        ..expectation.clone()
    })
}

/// The bundle that the row says its enclave was built with, where the row can be read at all.
#[must_use]
pub fn named_bundle(item: &Item) -> Option<String> {
    Some(Row::read(item.clone()).ok()?.expected?.bundle)
}

fn stored_evidence(row: &Row) -> Result<(&[u8], &[u8]), Refusal> {
    let attestation = row
        .attestation
        .as_ref()
        .ok_or_else(|| no_evidence(row, "attestation"))?;
    if attestation.statement.is_empty() {
        return Err(no_evidence(row, "attestation.statement"));
    }
    if attestation.document.is_empty() {
        return Err(no_evidence(row, "attestation.document"));
    }
    Ok((&attestation.statement, &attestation.document))
}

/// The digest of the launch message that the row's configuration makes, for a pipeline of the row's own region.
fn launch_digest(item: &Item, id: &RecordId, generation: u64, bundle: &str) -> Result<[u8; 48], Refusal> {
    let region = match item.get("region") {
        Some(AttributeValue::S(region)) => region,
        _ => "",
    };
    let request = EnclaveRequest::read(item, region).map_err(malformed)?;
    Ok(request.launch_message(id, generation, bundle).digest())
}

fn malformed(faults: Vec<Fault>) -> Refusal {
    Refusal::new(
        Code::RowMalformed,
        "row",
        printable(&fault::describe(&faults), 1024),
        "a row as a client and the pipeline write it",
    )
}

fn no_evidence(row: &Row, attribute: &str) -> Refusal {
    Refusal::new(
        Code::NoEvidence,
        attribute,
        format!("none in a row of status {}", row.status),
        "evidence, which a row has from DEPLOYED on",
    )
}

/// A row whose status says that nothing is to run for it: what it carries is of before.
fn no_enclave(row: &Row) -> Refusal {
    let found = format!(
        "a row that is {}: no enclave is to run for it, and no evidence stands",
        row.status
    );
    let expected = "a row that is DEPLOYED (DEPLOYING and RESUMING have evidence towards the end)";
    Refusal::new(Code::NoEvidence, "status", found, expected)
}

fn explain_launch(refusal: Refusal) -> Refusal {
    if refusal.code != Code::LaunchMismatch {
        return refusal;
    }
    let expected = format!(
        "{}, of the launch message that the row asks for: the configuration in the row is not what the enclave took",
        refusal.expected
    );
    Refusal { expected, ..refusal }
}
