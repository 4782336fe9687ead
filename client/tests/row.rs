//! A row's evidence against the reader's expectation and against the row itself.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use client::{Expectation, Refusal, evidence::Verified, row};
use common::{Enclave, roots};
use contract::item;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

fn image() -> Expectation {
    Expectation {
        pcrs: BTreeMap::from([(0, vec![[0x10; 48]])]),
        ..Expectation::default()
    }
}

fn verify(row: &Value, expectation: &Expectation) -> Result<Verified, Refusal> {
    let item = item::read(&row.to_string()).unwrap();
    row::verify(item, expectation, None, &roots(), SystemTime::now())
}

fn code(row: &Value) -> &'static str {
    verify(row, &image()).map_or_else(|refusal| refusal.code.as_str(), |_| "verified")
}

fn good_row() -> Value {
    let enclave = Enclave::default();
    enclave.row(&enclave.evidence())
}

#[test]
fn a_row_proves_itself_and_its_configuration() {
    let verified = verify(&good_row(), &image()).unwrap();
    assert_eq!(
        verified.compared,
        [
            "0",
            "4",
            "16",
            "timestamp",
            "statement",
            "record_id",
            "generation",
            "launch_digest"
        ]
    );
}

#[test]
fn dynamodbs_json_reads_alike() {
    let row = good_row();
    let typed = json!({"Item": typed(&row)});
    assert_eq!(code(&typed), "verified");
}

/// Plain JSON as DynamoDB's, with the evidence as binary.
fn typed(value: &Value) -> Value {
    let inner = |value: &Value| match value {
        Value::String(text) => json!({"S": text}),
        Value::Number(number) => json!({"N": number.to_string()}),
        Value::Bool(flag) => json!({"BOOL": flag}),
        Value::Array(list) => json!({"L": list.iter().map(|text| json!({"S": text})).collect::<Vec<_>>()}),
        Value::Object(_) => json!({"M": typed(value)}),
        Value::Null => json!({"NULL": true}),
    };
    let fields = value.as_object().unwrap().iter().map(|(name, value)| {
        let binary = name == "statement" || name == "document";
        (
            name.clone(),
            if binary { json!({"B": value}) } else { inner(value) },
        )
    });
    Value::Object(fields.collect())
}

#[test]
fn a_row_needs_an_expectation_of_the_readers_own() {
    let row = good_row();
    for expectation in [
        Expectation::default(),
        Expectation {
            pcrs: BTreeMap::from([(4, vec![[0; 48]])]),
            ..Expectation::default()
        },
        Expectation {
            image_digest: Some(Enclave::default().image_digest),
            ..Expectation::default()
        },
        // With the bundle alone any application runs, without it any agent.
        Expectation {
            pcrs: BTreeMap::from([(1, vec![[0x11; 48]])]),
            ..Expectation::default()
        },
        Expectation {
            pcrs: BTreeMap::from([(2, vec![[0x12; 48]])]),
            ..Expectation::default()
        },
    ] {
        assert_eq!(
            verify(&row, &expectation).unwrap_err().code.as_str(),
            "no_expectation"
        );
    }
}

#[test]
fn bundle_and_application_together_settle_the_image() {
    let both = Expectation {
        pcrs: BTreeMap::from([(1, vec![[0x11; 48]]), (2, vec![[0x12; 48]])]),
        ..Expectation::default()
    };
    verify(&good_row(), &both).unwrap();
}

#[test]
fn a_changed_configuration_is_not_what_the_enclave_took() {
    let changes: [fn(&mut Value); 5] = [
        |row| row["providerConfig"]["environmentVariables"] = json!("{\"KEY\":\"other\"}"),
        |row| row["providerConfig"]["exposePorts"] = json!(["8080", "22"]),
        |row| row["providerConfig"]["healthCheckPath"] = json!("/health"),
        |row| row["providerConfig"]["workloadType"] = json!("batch"),
        |row| row["expected"]["bundle"] = json!("sha256:00"),
    ];
    for change in changes {
        let mut row = good_row();
        change(&mut row);
        let refusal = verify(&row, &image()).unwrap_err();
        assert_eq!(refusal.code.as_str(), "launch_mismatch");
        assert!(refusal.to_string().contains("is not what the enclave took"));
    }
}

#[test]
fn evidence_of_another_row_or_generation_is_refused() {
    let mut row = good_row();
    row["id"] = json!("enc_2");
    assert_eq!(code(&row), "record_mismatch");
    let mut row = good_row();
    row["generation"] = json!(4);
    assert_eq!(code(&row), "generation_mismatch");
}

#[test]
fn a_row_without_an_enclave_has_no_evidence_that_stands() {
    for status in [
        "PAUSING",
        "PAUSED",
        "DESTROYING",
        "DESTROYED",
        "FAILED",
        "PENDING_DEPLOY",
    ] {
        let mut row = good_row();
        row["status"] = json!(status);
        row["generation"] = json!(4);
        let refusal = verify(&row, &image()).unwrap_err();
        assert_eq!(refusal.code.as_str(), "no_evidence", "{status}");
        let text = refusal.to_string();
        assert!(
            text.contains(&format!("is {status}")) && text.contains("no evidence stands"),
            "{text}"
        );
    }
}

#[test]
fn the_callers_bundle_goes_before_the_rows() {
    let mut row = good_row();
    row["expected"]["bundle"] = json!("sha256:00");
    let item = item::read(&row.to_string()).unwrap();
    let bundle = Enclave::default().bundle;
    assert!(row::verify(item, &image(), Some(&bundle), &roots(), SystemTime::now()).is_ok());
}

#[test]
fn stored_evidence_is_good_for_two_minutes_unless_the_caller_says_more() {
    let item = item::read(&good_row().to_string()).unwrap();
    let later = SystemTime::now() + Duration::from_secs(150);
    let refusal = row::verify(item.clone(), &image(), None, &roots(), later).unwrap_err();
    assert_eq!(refusal.code.as_str(), "stale");
    let patient = Expectation {
        max_age: Some(Duration::from_secs(600)),
        ..image()
    };
    row::verify(item, &patient, None, &roots(), later).unwrap();
}

#[test]
fn a_row_without_evidence_or_form_is_refused() {
    let mut row = good_row();
    row["attestation"] = json!({"state": "PENDING"});
    assert_eq!(code(&row), "no_evidence");
    row.as_object_mut().unwrap().remove("attestation");
    assert_eq!(code(&row), "no_evidence");
    let mut row = good_row();
    row.as_object_mut().unwrap().remove("expected");
    assert_eq!(code(&row), "no_evidence");
    let mut row = good_row();
    row["attestation"]["document"] = json!("not base64 !");
    assert_eq!(code(&row), "row_malformed");
    let mut row = good_row();
    row["id"] = json!("../x");
    assert_eq!(code(&row), "row_malformed");
    let mut row = good_row();
    row["providerConfig"]["cpuCount"] = json!("0");
    assert_eq!(code(&row), "row_malformed");
}
