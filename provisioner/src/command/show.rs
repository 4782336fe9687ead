//! Rows for people: a line, a listing, a table of one. What others wrote into a row is made printable.

use comfy_table::{ContentArrangement, Table, presets};
use contract::Status;
use contract::fault::{printable, printable_lines};
use contract::item::{AttributeValue, Item};
use contract::row::{Row, attribute};

/// Columns of a table.
const WIDTH: u16 = 110;
/// The most characters of one cell.
const CELL: usize = 2048;

/// How far a row is, in a line.
pub(super) fn stage(row: &Row) -> String {
    let status = row.status;
    match status {
        Status::Deploying | Status::Resuming => format!("{status}: {}", under_way(row)),
        Status::Destroying | Status::Pausing => format!("{status}: the enclave is being stopped"),
        _ => status.to_string(),
    }
}

fn under_way(row: &Row) -> String {
    let Some(expected) = row.current_expectation() else {
        return "the image is being measured".into();
    };
    match &row.health {
        None => format!(
            "launching {} on {}",
            short(&expected.image_digest),
            printable(&expected.instance_id, 32)
        ),
        Some(health) => {
            let state = printable(&health.state, 16);
            // Its first line says what the probe got.
            let detail = health
                .detail
                .lines()
                .next()
                .map_or(String::new(), |line| format!(": {}", printable(line, 200)));
            format!("the enclave attests; the application is {state}{detail}")
        }
    }
}

/// The status of a row that may not read.
pub(super) fn status(item: &Item) -> String {
    match item.get(attribute::STATUS) {
        Some(AttributeValue::S(status)) => printable(status, 64),
        _ => "without a status".into(),
    }
}

/// The first digits of a digest.
fn short(digest: &str) -> String {
    printable(digest, 19)
}

/// Everything that a person wants to know of one row.
pub(super) fn details(row: &Row) -> String {
    let mut lines: Vec<(&str, String)> = vec![("id", row.id.to_string()), ("status", row.status.to_string())];
    let mut line = |name, value: Option<String>| lines.extend(value.map(|value| (name, value)));
    line("reason", row.status_reason.clone());
    line("generation", Some(row.generation.to_string()));
    if let Some(expected) = &row.expected {
        line("image", Some(expected.image_digest.clone()));
        line("bundle", Some(expected.bundle.clone()));
        line("PCR0", expected.pcrs.get("0").cloned());
    }
    if let Some(attestation) = &row.attestation {
        let state = format!("{:?}", attestation.state).to_uppercase();
        let on = attestation
            .trust
            .as_ref()
            .map_or(String::new(), |trust| format!(" on root {trust}"));
        let at = attestation
            .verified_at
            .as_ref()
            .map_or(String::new(), |at| format!(", verified {at}"));
        line("attestation", Some(format!("{state}{on}{at}")));
        line("", attestation.reason.clone());
    }
    if let Some(health) = &row.health {
        let exit = health
            .last_exit
            .as_ref()
            .map_or(String::new(), |exit| format!(", last {exit}"));
        line(
            "health",
            Some(format!(
                "{}, restarted {} times{exit}",
                health.state, health.restarts
            )),
        );
        line(
            "",
            Some(health.detail.clone()).filter(|detail| !detail.is_empty()),
        );
    }
    line(
        "host",
        row.host
            .as_ref()
            .map(|host| format!("{} at {}", host.instance_id, host.address)),
    );
    line(
        "enclave",
        row.enclave
            .as_ref()
            .map(|enclave| format!("{} (CID {})", enclave.enclave_id, enclave.cid)),
    );
    let endpoints: Vec<_> = row
        .endpoints
        .iter()
        .map(|e| format!("port {} at {}", e.port, e.address))
        .collect();
    line(
        "endpoints",
        Some(endpoints.join(", ")).filter(|text| !text.is_empty()),
    );
    let mut table = table();
    for (name, value) in lines {
        table.add_row([name.to_owned(), printable_lines(&value, CELL)]);
    }
    table.to_string()
}

/// All rows, one a line.
pub(super) fn listing(items: &[Item]) -> String {
    if items.is_empty() {
        return "there are no rows".into();
    }
    let mut table = table();
    table.set_header(["id", "status", "attestation", "health", "endpoints", "reason"]);
    for item in items {
        table.add_row(match Row::read(item.clone()) {
            Ok(row) => line_of(&row),
            Err(_) => unreadable(item),
        });
    }
    table.to_string()
}

fn line_of(row: &Row) -> Vec<String> {
    let attestation = row
        .attestation
        .as_ref()
        .map(|a| format!("{:?}", a.state).to_uppercase());
    let endpoints: Vec<_> = row
        .endpoints
        .iter()
        .map(|endpoint| printable(&endpoint.address, 64))
        .collect();
    vec![
        row.id.to_string(),
        row.status.to_string(),
        attestation.unwrap_or_default(),
        row.health
            .as_ref()
            .map_or(String::new(), |health| printable(&health.state, 16)),
        endpoints.join("\n"),
        in_a_line(row.status_reason.as_deref().unwrap_or_default()),
    ]
}

/// The beginning of a reason, its lines in one.
fn in_a_line(reason: &str) -> String {
    let lines: Vec<_> = reason
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    printable(&lines.join(" / "), 160)
}

/// A row that cannot be read: its id and status as they stand.
fn unreadable(item: &Item) -> Vec<String> {
    let text = |name| match item.get(name) {
        Some(AttributeValue::S(text)) => text.as_str(),
        _ => "",
    };
    vec![
        printable(text(attribute::ID), 64),
        status(item),
        String::new(),
        String::new(),
        String::new(),
        in_a_line(text(attribute::STATUS_REASON)),
    ]
}

fn table() -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::item;

    #[test]
    fn hostile_rows_are_shown_without_their_control_characters() {
        let items = [
            item::read("{\"id\": \"a\\u001b[2J\", \"status\": \"x\\n\"}").unwrap(),
            item::read("{\"id\": \"b\", \"status\": \"FAILED\", \"statusReason\": \"\\u001b[31mred\"}")
                .unwrap(),
        ];
        let text = listing(&items);
        assert!(!text.contains('\u{1b}') && text.contains("red"), "{text}");
        let row = Row::read(items[1].clone()).unwrap();
        assert!(!details(&row).contains('\u{1b}'));
    }

    #[test]
    fn the_lines_of_a_reason_are_lines() {
        let row = r#"{"id": "a", "status": "FAILED", "statusReason": "it says:\r\n\tno such file\nbye\n"}"#;
        let item = item::read(row).unwrap();
        let shown = details(&Row::read(item.clone()).unwrap());
        let lines: Vec<_> = shown.lines().map(str::trim).collect();
        assert!(
            lines.contains(&"no such file") && lines.contains(&"bye"),
            "{shown}"
        );
        let listed = listing(&[item]);
        assert!(listed.contains("it says: / no such file / bye"), "{listed}");
        assert!(!format!("{shown}{listed}").contains('\u{fffd}'));
    }

    #[test]
    fn an_application_that_is_not_well_yet_says_what_its_probe_got() {
        let row = r#"{"id": "a", "status": "DEPLOYING", "generation": 1,
            "expected": {"generation": 1, "imageDigest": "sha256:aa", "bundle": "sha256:bb", "pcrs": {},
                "instanceId": "i-0", "challenge": "cc"},
            "health": {"state": "UNKNOWN", "sequence": 1, "reportedAt": "t", "restarts": 0,
                "detail": "GET /nowhere on port 80: status 404\nlast output:\nhello"}}"#;
        let stage = stage(&Row::read(item::read(row).unwrap()).unwrap());
        assert_eq!(
            stage,
            "DEPLOYING: the enclave attests; the application is UNKNOWN: GET /nowhere on port 80: status 404"
        );
    }
}
