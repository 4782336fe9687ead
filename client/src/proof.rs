//! The verification of a document or of a row by a user's options, and what comes of it.

use crate::document::{self, Checked};
use crate::evidence::Verified;
use crate::image::Measured;
use crate::options::{Criteria, Error, Options, Time};
use crate::refusal::{Code, Refusal};
use crate::row;
use attestation::{Attested, Clock, Document, Trust};
use contract::fault::printable;
use contract::item::{self, Item};
use contract::statement::Statement;

/// The outcome of a verification, for [`crate::report`].
pub type Outcome = Result<Proof, Error>;

/// A verification that succeeded.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The time at which the evidence was judged: what it proves, it proves of then.
    pub time: Time,
    /// The document.
    pub document: Document,
    /// What the document stands on.
    pub trust: Trust,
    /// The release of the policy whose registers the document has, if the policy names releases.
    pub release: Option<String>,
    /// What was compared and found as expected.
    pub compared: Vec<String>,
    /// What was expected and not compared; see [`Attested::not_compared`].
    pub not_compared: Vec<String>,
    /// The row's statement, compared with the row; a document alone has none.
    pub statement: Option<Statement>,
    /// The image that was measured here.
    pub image: Option<Measured>,
}

impl Proof {
    /// Of a document that met its policy at `time`.
    fn new<C: Clock>(attested: &Attested<C>, compared: Vec<String>, time: Time) -> Self {
        Self {
            time,
            document: attested.document().clone(),
            trust: attested.trust(),
            release: attested.release().map(Into::into),
            compared,
            not_compared: attested.not_compared().to_vec(),
            statement: None,
            image: None,
        }
    }

    fn of_document<C: Clock>(checked: Checked<C>, time: Time) -> Self {
        Self::new(&checked.attested, checked.compared, time)
    }

    /// Of a row's evidence.
    #[must_use]
    pub fn of_row<C: Clock>(verified: Verified<C>, time: Time) -> Self {
        Self {
            statement: Some(verified.statement),
            ..Self::new(&verified.attested, verified.compared, time)
        }
    }
}

/// Verifies a document, given as raw bytes, hex or base64.
///
/// # Errors
/// As [`Error`] says.
pub async fn verify_document(input: Vec<u8>, options: &Options) -> Outcome {
    let criteria = options.criteria(None).await?;
    let Criteria {
        expectation,
        roots,
        time,
        ..
    } = &criteria;
    let document = crate::input::document_bytes(input);
    let proof = match *time {
        Time::Now(now) | Time::Named(now) => {
            Proof::of_document(document::verify(&document, expectation, roots, now)?, *time)
        }
        Time::OfDocument => Proof::of_document(document::audit(&document, expectation, roots)?, *time),
    };
    let image = criteria.image;
    Ok(Proof { image, ..proof })
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
        time,
    } = options.criteria(row::named_bundle(&item).as_deref()).await?;
    let bundle = image.as_ref().map(|image| image.bundle.as_str());
    let proof = match time {
        Time::Now(now) | Time::Named(now) => {
            Proof::of_row(row::verify(item, &expectation, bundle, &roots, now)?, time)
        }
        Time::OfDocument => Proof::of_row(row::audit(item, &expectation, bundle, &roots)?, time),
    };
    Ok(Proof { image, ..proof })
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
