//! What the fuzz targets do with an input. The tests do the same with the seeds (`tests/seeds.rs`).

use crate::common::{Enclave, Evidence, roots};
use attestation::Root;
use client::{Expectation, evidence, input, policy, proof, row};
use contract::statement::Statement;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

/// Right evidence, its roots, and the time at which it was made.
struct Right {
    enclave: Enclave,
    evidence: Evidence,
    row: String,
    roots: Vec<Root>,
    made: SystemTime,
}

static RIGHT: LazyLock<Right> = LazyLock::new(|| {
    let enclave = Enclave::default();
    let evidence = enclave.evidence();
    Right {
        row: enclave.row(&evidence).to_string(),
        evidence,
        enclave,
        roots: roots(),
        made: SystemTime::now(),
    }
});

/// The image alone is expected; the rest is for the evidence to say.
fn image() -> Expectation {
    Expectation {
        pcrs: [(0, vec![[0x10; 48]])].into(),
        ..Expectation::default()
    }
}

/// A statement and a document: any bytes beside the right other one, or right ones changed in some places, the
/// document then made for the statement that was changed.
pub fn evidence(input: &[u8]) {
    let Some((way, rest)) = input.split_first() else {
        return;
    };
    let right = &*RIGHT;
    let own = &right.evidence;
    let (statement, document) = match way % 4 {
        0 => (rest.to_vec(), own.document.clone()),
        1 => (own.statement.clone(), input::document_bytes(rest.to_vec())),
        2 => (own.statement.clone(), edited(&own.document, rest)),
        _ => {
            let statement = edited(&own.statement, rest);
            let document = right.enclave.document(Statement::user_data(&statement).to_vec());
            (statement, document)
        }
    };
    let now = if way % 4 == 3 {
        SystemTime::now()
    } else {
        right.made
    };
    let judged = evidence::verify(&statement, &document, &image(), &right.roots, now);
    if let Ok(verified) = &judged {
        // What the module signed is what was asked, and a statement has one encoding.
        assert!(way % 4 == 3 || document == own.document);
        assert_eq!(verified.statement.encode(), statement);
    }
    // The pipeline's own expectation leaves the statement little.
    let _ = evidence::verify(
        &statement,
        &document,
        &right.enclave.expectation(),
        &right.roots,
        now,
    );
    let archived = evidence::audit(&statement, &document, &image(), &right.roots);
    assert!(judged.is_err() || archived.is_ok());
}

/// A row's JSON: any text, or the right row's changed in some places. What is verified carries the right evidence.
pub fn row(input: &[u8]) {
    let Some((way, rest)) = input.split_first() else {
        return;
    };
    let right = &*RIGHT;
    let json = match way % 2 {
        0 => rest.to_vec(),
        _ => edited(right.row.as_bytes(), rest),
    };
    let Ok(item) = proof::read_row(&json) else {
        return;
    };
    let now = right.made + Duration::from_secs(1);
    if let Ok(verified) = row::verify(item, &image(), None, &right.roots, now) {
        assert_eq!(verified.statement.encode(), right.evidence.statement);
        assert_eq!(
            verified.attested.document(),
            &attestation::Document::parse_unverified(&right.evidence.document).unwrap()
        );
    }
}

/// Any text as a policy file. What is read expects no register to have one of no values.
pub fn policy(input: &[u8]) {
    let Ok(expectation) = policy::read(&String::from_utf8_lossy(input)) else {
        return;
    };
    let sets = expectation.releases.iter().map(|release| &release.pcrs);
    for (index, values) in sets.chain([&expectation.pcrs]).flatten() {
        assert!(*index < 32 && !values.is_empty());
    }
    let right = &*RIGHT;
    let _ = client::document::verify(&right.evidence.document, &expectation, &right.roots, right.made);
}

/// `right`, changed as `edits` say, five bytes each: where (two), how many bytes go, how many copies of which byte come.
fn edited(right: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut bytes = right.to_vec();
    for edit in edits.chunks_exact(5) {
        let [high, low, removed, count, byte] = *edit else {
            break;
        };
        let start = usize::from(u16::from_be_bytes([high, low])) % (bytes.len() + 1);
        let end = (start + usize::from(removed % 8)).min(bytes.len());
        bytes.splice(start..end, vec![byte; usize::from(count % 8)]);
    }
    bytes
}
