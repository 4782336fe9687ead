//! The row proves itself, and only as it stands.

use crate::web_row;
use end_to_end::programs::{Answer, program};
use end_to_end::{Image, Local, Registry};
use serde_json::{Value, json};

/// Positions of each part that are changed, evenly over it.
const SAMPLES: usize = 48;

/// `treza-attest verify --row` of `row` with more options.
fn verify(local: &Local, row: &Value, options: &[&str]) -> (i32, Value) {
    let file = local.folder().join("row.json");
    std::fs::write(&file, row.to_string()).unwrap();
    let mut command = program("treza-attest");
    command
        .args(["verify", "--json", "--row"])
        .arg(&file)
        .arg("--cache")
        .arg(local.folder().join("cache"));
    let answer = Answer::of(command.args(options));
    (answer.code, answer.json())
}

/// The expectation of someone who measures the image: `--pcr` for PCR 0, 1 and 2.
fn measured(local: &Local, image: &str) -> Vec<String> {
    let mut command = program("treza-eif");
    command.args(["measure", "--json", "--image", image, "--cache"]);
    let pcrs = Answer::of(command.arg(local.folder().join("cache")))
        .good()
        .json();
    ["0", "1", "2"]
        .iter()
        .flat_map(|index| {
            let value = pcrs["Measurements"][format!("PCR{index}")].as_str().unwrap();
            ["--pcr".to_owned(), format!("{index}={value}")]
        })
        .collect()
}

#[test]
fn the_row_proves_itself_and_no_changed_byte_of_it_does() {
    let (registry, local) = (Registry::start(), Local::up());
    let image = registry.push("served", &Image::of_application(&["serve", "8080"]));
    local.put(&web_row("proven", &image));
    let row = local.until_status("proven", "DEPLOYED");
    let by_digest = registry.by_digest("served");
    let pcrs = measured(&local, &by_digest);
    let pcrs: Vec<_> = pcrs.iter().map(String::as_str).collect();
    let root = ["--trust-root", local.root.to_str().unwrap()];
    let full = [&pcrs[..], &root].concat();

    let (code, answer) = verify(&local, &row, &full);
    assert_eq!((code, &answer["verified"]), (0, &json!(true)), "{answer}");
    assert_eq!(answer["trust"], "development");
    let (code, answer) = verify(&local, &row, &["--image", &by_digest, root[0], root[1]]);
    assert_eq!(code, 0, "{answer}");

    let (code, answer) = verify(&local, &row, &root);
    assert_eq!((code, &answer["code"]), (2, &json!("no_expectation")), "{answer}");
    let (code, answer) = verify(&local, &row, &pcrs);
    assert_eq!((code, &answer["verified"]), (2, &json!(false)), "{answer}");

    for part in ["statement", "document"] {
        let bytes = Local::bytes(&row["attestation"][part]);
        for at in (0..bytes.len()).step_by((bytes.len() / SAMPLES).max(1)) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            let mut other = row.clone();
            other["attestation"][part] = Local::text(&changed);
            let (code, answer) = verify(&local, &other, &full);
            assert_eq!(code, 2, "byte {at} of the {part} was changed: {answer}");
            assert_eq!(answer["verified"], false);
        }
    }
    let mut other = row.clone();
    other["providerConfig"]["environmentVariables"] = json!("{\"GREETING\":\"another\"}");
    let (code, answer) = verify(&local, &other, &full);
    assert_eq!(code, 2, "another configuration than the enclave took: {answer}");
}
