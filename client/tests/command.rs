//! The program as it is called: exit codes, JSON, the table.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use attestation::Root;
use aws_lc_rs::digest::{SHA256, digest};
use common::{AUTHORITY, Enclave};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;
use tempfile::TempDir;

/// A folder with a row, its document and the development root.
struct Case {
    folder: TempDir,
    document: Vec<u8>,
}

impl Case {
    fn new(enclave: &Enclave) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let evidence = enclave.evidence();
        fs::write(folder.path().join("row.json"), enclave.row(&evidence).to_string()).unwrap();
        fs::write(folder.path().join("document"), &evidence.document).unwrap();
        fs::write(folder.path().join("root.pem"), AUTHORITY.certificate_pem()).unwrap();
        Self {
            folder,
            document: evidence.document,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `treza-attest` with `arguments`, in the folder.
    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_treza-attest"))
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    /// Exit code and JSON.
    fn verify(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.run(&[&["verify", "--json"], arguments].concat());
        let json = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), json)
    }
}

const ROW: [&str; 4] = ["--row", "row.json", "--trust-root", "root.pem"];
const DOCUMENT: [&str; 4] = ["--document", "document", "--trust-root", "root.pem"];

fn pcr(index: u8, byte: &str) -> [String; 2] {
    ["--pcr".into(), format!("{index}={}", byte.repeat(48))]
}

fn with<'a>(base: &[&'a str], more: &'a [String]) -> Vec<&'a str> {
    base.iter()
        .copied()
        .chain(more.iter().map(String::as_str))
        .collect()
}

#[test]
fn a_row_with_an_expectation_is_verified() {
    let case = Case::new(&Enclave::default());
    let pcrs = [pcr(0, "10"), pcr(1, "11"), pcr(2, "12")].concat();
    let (code, json) = case.verify(&with(&ROW, &pcrs));
    assert_eq!(code, 0, "{json}");
    assert_eq!(
        (&json["verified"], &json["code"]),
        (&true.into(), &"verified".into())
    );
    assert_eq!(json["trust"], "development");
    assert_eq!(json["compared"][0], "0");
    assert_eq!(json["debug"], false);
    assert_eq!(json["pcrs"]["2"], "12".repeat(48));
    assert!(json["module_id"].as_str().unwrap().starts_with(common::INSTANCE));
    assert!(json["timestamp_ms"].is_u64());
    assert_eq!(json["statement"]["record_id"], "enc_1");
    let reason = json["reason"].as_str().unwrap();
    for caveat in [
        "nothing about hardware",
        "its freshness is its timestamp",
        "could have made the statement itself",
    ] {
        assert!(reason.contains(caveat), "{caveat}: {reason}");
    }
}

#[test]
fn a_row_is_refused_without_root_or_expectation() {
    let case = Case::new(&Enclave::default());
    let pcr0 = pcr(0, "10");
    let (code, json) = case.verify(&with(&ROW[..2], &pcr0));
    assert_eq!((code, &json["code"]), (2, &"unknown_root".into()));
    assert_eq!((&json["verified"], &json["trust"]), (&false.into(), &Value::Null));
    let (code, json) = case.verify(&ROW);
    assert_eq!((code, &json["code"]), (2, &"no_expectation".into()));
    let (code, json) = case.verify(&with(&ROW, &pcr(0, "ee")));
    assert_eq!((code, &json["code"]), (2, &"pcr".into()));
    assert!(json["reason"].as_str().unwrap().contains("pcrs[0]"));
}

#[test]
fn a_document_reads_raw_hex_base64_and_from_standard_input() {
    use base64::Engine;
    let case = Case::new(&Enclave::default());
    let base64 = base64::engine::general_purpose::STANDARD.encode(&case.document);
    let hex = hex::encode(&case.document);
    for form in [&case.document[..], hex.as_bytes(), base64.as_bytes()] {
        fs::write(case.path("document"), form).unwrap();
        let (code, json) = case.verify(&DOCUMENT);
        assert_eq!((code, &json["compared"]), (0, &Value::Array(vec![])), "{json}");
        assert!(json.get("statement").is_none());
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_treza-attest"))
        .args(["verify", "--document", "-", "--trust-root"])
        .arg(case.path("root.pem"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(hex.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn options_of_time_nonce_and_debug_act() {
    let case = Case::new(&Enclave::default());
    let code_of = |arguments: &[&str]| case.verify(&[&DOCUMENT[..], arguments].concat()).1["code"].clone();
    assert_eq!(
        code_of(&["--nonce", &"07".repeat(32), "--max-age", "60"]),
        "verified"
    );
    assert_eq!(code_of(&["--nonce", "00"]), "nonce");
    assert_eq!(code_of(&["--at", "1000000000"]), "certificate_not_yet_valid");
    assert_eq!(code_of(&["--at", "18446744073709551615"]), "bad_input");
    let debug = Case::new(&Enclave {
        debug: true,
        ..Enclave::default()
    });
    assert_eq!(debug.verify(&DOCUMENT).1["code"], "debug");
    let pcr0 = pcr(0, "10");
    let (code, json) = debug.verify(&with(&[&ROW[..], &["--allow-debug"]].concat(), &pcr0));
    assert_eq!((code, &json["debug"]), (0, &true.into()), "{json}");
    assert!(json["reason"].as_str().unwrap().contains("debug mode"));
    assert_eq!(json["not_compared"], serde_json::json!(["0"]), "{json}");
}

#[test]
fn an_audit_judges_archived_evidence_at_its_own_time_and_says_so() {
    let case = Case::new(&Enclave::default());
    let pcr0 = pcr(0, "10");
    let live = with(&ROW, &pcr0);
    let (code, json) = case.verify(&live);
    assert_eq!((code, &json["clock"]), (0, &"now".into()), "{json}");
    // The leaf has expired a day later, and the age is beyond any row's; an audit does not ask for the day.
    let tomorrow = (SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
        + 86_400)
        .to_string();
    let (code, json) = case.verify(&[&live[..], &["--at", &tomorrow]].concat());
    assert_eq!(
        (code, &json["code"], &json["clock"]),
        (2, &"certificate_expired".into(), &Value::Null)
    );
    for subject in [&live[..], &with(&DOCUMENT, &pcr0), &DOCUMENT] {
        let (code, json) = case.verify(&[subject, &["--audit"]].concat());
        assert_eq!((code, &json["code"]), (0, &"verified_archived".into()), "{json}");
        assert_eq!(json["clock"], "document");
        assert!(
            json["reason"]
                .as_str()
                .unwrap()
                .contains("which says nothing of now"),
            "{json}"
        );
        assert!(!json["compared"].as_array().unwrap().contains(&"timestamp".into()));
    }
    fs::write(
        case.path("policy"),
        format!("max_age = 0\n[pcr]\n0 = \"{}\"\n", "10".repeat(48)),
    )
    .unwrap();
    let (_, json) = case.verify(&[&ROW[..], &["--policy", "policy", "--audit"]].concat());
    assert_eq!(json["not_compared"], serde_json::json!(["timestamp"]), "{json}");
    let output = case.run(&[&["verify", "--audit"], &live[..]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("VERIFIED as archived evidence, at its own time, 20"),
        "{text}"
    );
    // The archive of a row that is gone by now.
    let mut row: Value = serde_json::from_slice(&fs::read(case.path("row.json")).unwrap()).unwrap();
    row["status"] = "DESTROYED".into();
    fs::write(case.path("row.json"), row.to_string()).unwrap();
    assert_eq!(case.verify(&live).1["code"], "no_evidence");
    assert_eq!(
        case.verify(&[&live[..], &["--audit"]].concat()).1["code"],
        "verified_archived"
    );
    // Every other rule holds, and an expectation of time is refused instead of being forgotten.
    let (code, json) = case.verify(&[&ROW[..], &["--audit"]].concat());
    assert_eq!((code, &json["code"]), (2, &"no_expectation".into()));
    let (code, json) = case.verify(&with(&[&ROW[..], &["--audit"]].concat(), &pcr(0, "ee")));
    assert_eq!((code, &json["code"]), (2, &"pcr".into()));
    for time in [["--at", "1"], ["--max-age", "1"]] {
        let output = case.run(&[&["verify", "--audit"], &live[..], &time].concat());
        assert_eq!(output.status.code(), Some(2), "{time:?}");
    }
}

#[test]
fn a_time_that_was_named_is_said() {
    let case = Case::new(&Enclave::default());
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
        .to_string();
    let (code, json) = case.verify(&[&DOCUMENT[..], &["--at", &now]].concat());
    assert_eq!((code, &json["clock"]), (0, &"named".into()), "{json}");
    let output = case.run(&[&["verify"], &DOCUMENT[..], &["--at", &now]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("VERIFIED as at the time that you named\n"),
        "{text}"
    );
}

#[test]
fn a_policy_file_is_an_expectation() {
    let case = Case::new(&Enclave::default());
    let policy = |text: &str| {
        fs::write(case.path("policy.toml"), text).unwrap();
        case.verify(&[&ROW[..], &["--policy", "policy.toml"]].concat())
    };
    let (ten, ee) = ("10".repeat(48), "ee".repeat(48));
    assert_eq!(
        policy(&format!("max_age = 60\npcr = {{0 = [\"{ee}\", \"{ten}\"]}}")).0,
        0
    );
    assert_eq!(policy(&format!("pcr = {{0 = [\"{ee}\"]}}")).1["code"], "pcr");
    let (code, json) = policy("pcrs = {}");
    assert_eq!((code, &json["code"]), (2, &"bad_input".into()));
    let found = |json: &Value| {
        json["reason"]
            .as_str()
            .unwrap()
            .split(", expected ")
            .next()
            .unwrap()
            .to_owned()
    };
    assert!(found(&json).contains("policy.toml: found ") && found(&json).contains("unknown field"));
    fs::write(case.path("no.pem"), "no certificate").unwrap();
    let (_, json) = case.verify(&["--document", "document", "--trust-root", "no.pem"]);
    assert_eq!(json["code"], "bad_input");
    assert!(
        found(&json).contains("no.pem: found ") && !found(&json).ends_with("no.pem"),
        "{json}"
    );
    fs::write(case.path("policy.toml"), format!("pcr = {{0 = [\"{ten}\"]}}")).unwrap();
    let twice = pcr(0, "10");
    let (code, json) = case.verify(&with(&[&ROW[..], &["--policy", "policy.toml"]].concat(), &twice));
    assert_eq!((code, &json["code"]), (2, &"bad_input".into()));
}

#[test]
fn a_policy_file_may_name_releases_and_kinds_of_root_and_be_json() {
    let case = Case::new(&Enclave::default());
    let policy = |text: &str| {
        fs::write(case.path("policy"), text).unwrap();
        case.verify(&[&ROW[..], &["--policy", "policy"]].concat())
    };
    let (ten, ee) = ("10".repeat(48), "ee".repeat(48));
    let releases = format!("[release.old]\n0 = \"{ee}\"\n[release.new]\n0 = \"{ten}\"\n");
    let (code, json) = policy(&releases);
    assert_eq!((code, &json["compared"][0]), (0, &"0".into()), "{json}");
    assert_eq!(json["release"], "new");
    let output = case.run(&[&["verify"], &ROW[..], &["--policy", "policy"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("new, as your policy names it"), "{text}");
    let root = Root::from_pem(AUTHORITY.certificate_pem()).unwrap();
    let own = hex::encode(digest(&SHA256, root.der()));
    assert_eq!(policy(&format!("root = \"{own}\"\n{releases}")).0, 0);
    let other = "ab".repeat(32);
    assert_eq!(
        policy(&format!("root = \"{other}\"\n{releases}")).1["code"],
        "root"
    );
    assert_eq!(
        policy(&format!("trust = \"aws-nitro\"\n{releases}")).1["code"],
        "trust"
    );
    assert_eq!(
        policy(&format!(r#"{{"release": {{"old": {{"0": "{ee}"}}}}}}"#)).1["code"],
        "release"
    );
    let unsettled = format!(r#"{{"release": {{"new": {{"0": "{ten}"}}, "any": {{"4": "{ten}"}}}}}}"#);
    assert_eq!(policy(&unsettled).1["code"], "no_expectation");
    fs::write(case.path("policy"), &releases).unwrap();
    let twice = pcr(0, "10");
    let (code, json) = case.verify(&with(&[&ROW[..], &["--policy", "policy"]].concat(), &twice));
    assert_eq!((code, &json["code"]), (2, &"bad_input".into()), "{json}");
}

#[test]
fn what_cannot_be_decided_is_no_refusal() {
    let case = Case::new(&Enclave::default());
    let (code, json) = case.verify(&["--document", "missing"]);
    assert_eq!(
        (code, &json["code"], &json["verified"]),
        (1, &"could_not".into(), &false.into())
    );
    fs::write(case.path("row.json"), "[]").unwrap();
    let (code, json) = case.verify(&ROW);
    assert_eq!((code, &json["code"]), (2, &"row_malformed".into()));
}

#[test]
fn people_read_what_is_proven_and_what_is_not() {
    let case = Case::new(&Enclave::default());
    let pcr0 = pcr(0, "10");
    let output = case.run(&with(&[&["verify"], &ROW[..]].concat(), &pcr0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("VERIFIED\n"), "{text}");
    for word in [
        "NOT PROVEN",
        "DEVELOPMENT",
        "PCR16",
        "enc_1, generation 3",
        "timestamp",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let output = case.run(&[&["verify"], &ROW[..2], &["--pcr", &pcr0[1]]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("REFUSED\n") && text.contains("unknown_root"),
        "{text}"
    );
}

#[test]
fn inspect_shows_and_verifies_nothing() {
    let case = Case::new(&Enclave::default());
    let output = case.run(&["inspect", "--json", "--document", "document"]);
    assert!(output.status.success());
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&json["verified"], &json["nonce"]),
        (&false.into(), &"07".repeat(32).into())
    );
    let output = case.run(&["inspect", "--row", "row.json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("NOT VERIFIED") && text.contains("enc_1"),
        "{text}"
    );
    fs::write(case.path("document"), "nonsense").unwrap();
    assert_eq!(
        case.run(&["inspect", "--document", "document"]).status.code(),
        Some(2)
    );
}

#[test]
fn genuine_documents_are_genuine_in_their_window_alone() {
    let Some(vectors) = std::env::var_os("TREZA_VECTORS") else {
        println!("skipped: TREZA_VECTORS is not set");
        return;
    };
    let folder = PathBuf::from(vectors).join("attestation");
    let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
    let case = Case::new(&Enclave::default());
    let mut early = 0;
    for vector in index.as_array().unwrap() {
        let path = folder.join(vector["file"].as_str().unwrap());
        let verify = |at: u64| {
            let (path, at) = (path.to_str().unwrap(), at.to_string());
            case.verify(&["--document", path, "--at", &at, "--allow-debug"])
        };
        let made = vector["timestamp_ms"]
            .as_u64()
            .map_or(1_700_000_000, |ms| ms / 1000 + 1);
        let (code, json) = verify(made);
        assert_eq!(json["verified"], vector["valid"], "{}: {json}", path.display());
        if vector["valid"] == true {
            assert_eq!(
                (code, &json["trust"], &json["debug"]),
                (0, &"aws-nitro".into(), &vector["debug"])
            );
            assert_eq!(json["module_id"], vector["module_id"]);
            let start = vector["window_unix"][0].as_u64().unwrap();
            if start + 20 < made {
                let at = start.to_string();
                let (_, json) = case.verify(&[
                    "--document",
                    path.to_str().unwrap(),
                    "--at",
                    &at,
                    "--max-age",
                    "60",
                    "--allow-debug",
                ]);
                assert_eq!(json["code"], "from_future", "{}", path.display());
                early += 1;
            }
            let (code, json) =
                case.verify(&["--document", path.to_str().unwrap(), "--audit", "--allow-debug"]);
            assert_eq!((code, &json["code"]), (0, &"verified_archived".into()), "{json}");
            let end = vector["window_unix"][1].as_u64().unwrap();
            let (code, json) = verify(end + 1);
            assert_eq!((code, &json["code"]), (2, &"certificate_expired".into()));
        } else {
            assert_eq!(code, 2);
        }
    }
    assert!(
        early > 0,
        "no document was made long enough after its certificate to be judged before it"
    );
}
