//! A look at evidence without trusting it: what it says, none of it verified.

use crate::options::Error;
use crate::refusal::{Code, Refusal};
use crate::report::{bare_table, hex_registers, line, statement_json};
use attestation::Document;
use contract::fault::{describe, printable};
use contract::item::Item;
use contract::row::Row;
use contract::statement::Statement;
use serde_json::{Value, json};

/// Characters of a value that the table shows: a register whole, a certificate's beginning.
const SHOWN: usize = 96;

/// What a document says, as JSON; `verified` is false in it.
///
/// # Errors
/// The [`Refusal`] of what is not a document.
pub fn document(document: &[u8]) -> Result<Value, Refusal> {
    let document = Document::parse_unverified(document)?;
    let hex = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(hex::encode);
    Ok(json!({
        "verified": false,
        "module_id": document.module_id,
        "timestamp_ms": document.timestamp_ms,
        "debug": document.is_debug(),
        "pcrs": hex_registers(&document.pcrs),
        "nonce": hex(&document.nonce),
        "user_data": hex(&document.user_data),
        "public_key": hex(&document.public_key),
        "cabundle": document.cabundle.iter().map(hex::encode).collect::<Vec<_>>(),
        "certificate": hex::encode(&document.certificate),
    }))
}

/// What the document and the statement in a row say, as JSON; `verified` is false in it.
///
/// # Errors
/// The [`Refusal`] of what is not a row with evidence.
pub fn row(item: Item) -> Result<Value, Refusal> {
    let refused =
        |code, found: String, expected| Refusal::new(code, "row", printable(&found, 1024), expected);
    let row = Row::read(item).map_err(|faults| {
        refused(
            Code::RowMalformed,
            describe(&faults),
            "a row as the pipeline writes it",
        )
    })?;
    let attestation = row.attestation.ok_or_else(|| {
        refused(
            Code::NoEvidence,
            format!("no evidence, status {}", row.status),
            "evidence, from DEPLOYED on",
        )
    })?;
    let statement = Statement::decode(&attestation.statement).map_err(|error| {
        refused(
            Code::StatementMalformed,
            error.to_string(),
            "a statement in canonical CBOR",
        )
    })?;
    let mut value = document(&attestation.document)?;
    value["statement"] = statement_json(&statement);
    Ok(value)
}

/// Prints what evidence says: one JSON object in one line, or a table.
pub fn print(found: &Result<Value, Error>, json: bool) {
    line(&match found {
        Ok(value) if json => value.to_string(),
        Ok(value) => format!("NOT VERIFIED: what the evidence says of itself\n{}", table(value)),
        Err(error) => unreadable(error, json),
    });
}

fn unreadable(error: &Error, json: bool) -> String {
    match json {
        true => json!({"verified": false, "code": error.code(), "reason": error.to_string()}).to_string(),
        false => error.to_string(),
    }
}

fn table(value: &Value) -> comfy_table::Table {
    let mut table = bare_table();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Object(inner) => {
                for (key, value) in inner {
                    table.add_row([format!("{name}.{key}"), cell(value)]);
                }
            }
            value => {
                table.add_row([name.clone(), cell(value)]);
            }
        }
    }
    table
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text, SHOWN),
        other => other.to_string(),
    }
}
