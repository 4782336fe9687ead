//! How the outcome of a verification is printed: a table for people, one JSON object for programs.

use crate::claims::Claim;
use crate::options::{Error, Time};
use crate::proof::{Outcome, Proof};
use attestation::Pcr;
use comfy_table::{ContentArrangement, Table, presets};
use contract::fault::printable;
use contract::statement::Statement;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;

/// Columns of the table.
const WIDTH: u16 = 120;

/// The object that programs read. A refusal repeats nothing of what it refuses: there all but the first three are
/// null or empty.
#[derive(Debug, Default, Serialize)]
struct Json {
    verified: bool,
    code: String,
    reason: String,
    /// Whose clock the evidence was judged by: "now", "named" (--at) or "document" (--audit).
    clock: Option<&'static str>,
    trust: Option<String>,
    release: Option<String>,
    compared: Vec<String>,
    /// Expected, and withheld by debug mode; the age of archived evidence.
    not_compared: Vec<String>,
    module_id: Option<String>,
    timestamp_ms: Option<u64>,
    debug: Option<bool>,
    pcrs: BTreeMap<u8, String>,
    /// Of a row alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<Value>,
}

/// The exit code: 0 verified, 2 evidence or input refused, 1 could not be decided.
#[must_use]
pub fn exit_code<T>(outcome: &Result<T, Error>) -> u8 {
    match outcome {
        Ok(_) => 0,
        Err(error) if error.is_refusal() => 2,
        Err(_) => 1,
    }
}

/// Prints the outcome to standard output: one JSON object in one line, or a verdict and a table.
pub fn print(outcome: &Outcome, json: bool) {
    let text = if json {
        json_of(outcome).to_string()
    } else {
        text_of(outcome)
    };
    line(&text);
}

/// Prints to standard output. A reader that has gone away, as `head` does, is no error: the exit code stands.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// The outcome as the JSON object that [`print`] prints.
#[must_use]
pub fn json_of(outcome: &Outcome) -> Value {
    let json = match outcome {
        Ok(proof) => proof_json(proof),
        Err(error) => Json {
            code: error.code().into(),
            reason: error.to_string(),
            ..Json::default()
        },
    };
    serde_json::json!(json)
}

fn proof_json(proof: &Proof) -> Json {
    let document = &proof.document;
    let (code, clock) = match proof.time {
        Time::Now(_) => ("verified", "now"),
        Time::Named(_) => ("verified", "named"),
        Time::OfDocument => ("verified_archived", "document"),
    };
    Json {
        verified: true,
        code: code.into(),
        reason: reason(&proof.claims()),
        clock: Some(clock),
        trust: Some(proof.trust.to_string()),
        release: proof.release.clone(),
        compared: proof.compared.clone(),
        not_compared: proof.not_compared.clone(),
        module_id: Some(document.module_id.clone()),
        timestamp_ms: Some(document.timestamp_ms),
        debug: Some(document.is_debug()),
        pcrs: hex_registers(&document.pcrs),
        statement: proof.statement.as_ref().map(statement_json),
    }
}

/// Registers as JSON has them: decimal index to lower-case hex.
pub(crate) fn hex_registers(pcrs: &BTreeMap<u8, Pcr>) -> BTreeMap<u8, String> {
    pcrs.iter()
        .map(|(index, value)| (*index, hex::encode(value)))
        .collect()
}

/// A statement as JSON.
pub(crate) fn statement_json(statement: &Statement) -> Value {
    serde_json::json!({
        "record_id": statement.record_id,
        "generation": statement.generation,
        "image_digest": statement.image_digest,
        "launch_digest": hex::encode(statement.launch_digest),
        "boot_id": hex::encode(statement.boot_id),
        "sequence": statement.sequence,
        "health": {
            "state": statement.health.state.as_str(),
            "restarts": statement.health.restarts,
            "last_exit": statement.health.last_exit.map(|exit| exit.to_string()),
            "ended": statement.health.ended,
            "detail": statement.health.detail,
        },
        "tls_key_digest": statement.tls_key_digest.map(hex::encode),
        "clock_ms": statement.clock_ms,
    })
}

/// All claims in one line: what is proven, then what is not.
fn reason(claims: &[Claim]) -> String {
    let line = |proven: bool| {
        let chosen = claims.iter().filter(|claim| claim.proven == proven);
        let words: Vec<_> = chosen
            .map(|claim| format!("{} ({})", claim.subject, claim.finding))
            .collect();
        words.join("; ")
    };
    format!("proven: {}. Not proven: {}.", line(true), line(false))
}

/// The outcome as the text that [`print`] prints.
#[must_use]
pub fn text_of(outcome: &Outcome) -> String {
    match outcome {
        Ok(proof) => format!("{}\n{}", verdict(proof), table(&proof.claims())),
        Err(Error::Refused(refusal)) => {
            let mut table = bare_table();
            table.add_row(["rule", refusal.code.as_str()]);
            table.add_row(["where", &refusal.field]);
            table.add_row(["found", &refusal.found]);
            table.add_row(["expected", &refusal.expected]);
            format!("REFUSED\n{table}")
        }
        Err(error) if error.is_refusal() => format!("REFUSED: {error}"),
        Err(error) => format!("NOT DECIDED: {error}"),
    }
}

fn verdict(proof: &Proof) -> String {
    match proof.time {
        Time::Now(_) => "VERIFIED".into(),
        Time::Named(_) => "VERIFIED as at the time that you named".into(),
        Time::OfDocument => format!("VERIFIED as archived evidence, at its own time, {}", proof.made()),
    }
}

fn table(claims: &[Claim]) -> Table {
    let mut table = bare_table();
    table.set_header(["", "what", "finding", "by"]);
    for claim in claims {
        let mark = if claim.proven { "proven" } else { "NOT PROVEN" };
        table.add_row([mark, claim.subject, &printable(&claim.finding, 512), &claim.by]);
    }
    table
}

/// A table without content, of the width that all tables have.
pub(crate) fn bare_table() -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    table
}
