//! The verification of a document or of a row by a user's options, and what comes of it.

use crate::document::{self, Checked};
use crate::evidence::Verified;
use crate::image::Measured;
use crate::options::{Criteria, Error, Options};
use crate::refusal::{Code, Refusal};
use crate::row;
use attestation::Attested;
use contract::fault::printable;
use contract::item::{self, Item};
use contract::statement::Statement;
use std::time::SystemTime;

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
