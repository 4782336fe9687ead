//! Rows in the plain shape: finished EIFs, from a file and from S3.

use crate::plain_row;
use end_to_end::estate::Emulated;
use end_to_end::programs::{Answer, program};
use end_to_end::{Image, Local, layout};
use serde_json::Value;
use std::path::PathBuf;

/// An EIF with our agent, built by hand.
fn build(local: &Local) -> PathBuf {
    build_with(local, &[])
}

fn build_with(local: &Local, options: &[&str]) -> PathBuf {
    let layout = layout(
        &Image::of_application(&["serve", "8080"]),
        &local.folder().join("image"),
    );
    let output = local.folder().join("test.eif");
    let mut command = program("treza-eif");
    command
        .arg("build")
        .args(options)
        .args(["--image", &format!("oci:{layout}"), "--cache"])
        .arg(local.folder().join("cache"));
    Answer::of(command.arg("--output").arg(&output)).good();
    output
}

/// Verification with nothing but the development root and the row's own PCR0; and, if so, with debug allowed.
fn verify(local: &Local, row: &Value, allow_debug: bool) -> (i32, Value) {
    let pcr0 = format!("0={}", row["expected"]["pcrs"]["0"].as_str().unwrap());
    let id = row["id"].as_str().unwrap();
    let mut words = vec!["verify", id, "--json", "--pcr", &pcr0, "--trust-root"];
    words.push(local.root.to_str().unwrap());
    if allow_debug {
        words.push("--allow-debug");
    }
    let answer = local.treza(&words);
    (answer.code, answer.json())
}

#[test]
fn the_plain_row_deploys_in_debug_mode_which_verifiers_must_allow() {
    let local = Local::up();
    let eif = build(&local);
    local.put(&plain_row("test-enclave-001", &format!("file:{}", eif.display())));
    let row = local.until_status("test-enclave-001", "DEPLOYED");
    assert_eq!(row["attestation"]["state"], "DEBUG", "{row:#}");
    assert!(row["statusReason"].as_str().unwrap().contains("debug"), "{row:#}");
    let (code, refused) = verify(&local, &row, false);
    assert_eq!(code, 2, "{refused}");
    assert_eq!(refused["verified"], false);
    assert!(refused["code"].as_str().unwrap().contains("debug"), "{refused}");
    let (_, allowed) = verify(&local, &row, true);
    assert_eq!(allowed["debug"], true, "{allowed}");
    assert_eq!(local.machines().len(), 1);
}

#[test]
fn an_eif_with_a_compressed_ramdisk_deploys() {
    let local = Local::up();
    let eif = build_with(&local, &["--compress"]);
    let mut wanted = plain_row("compressed", &format!("file:{}", eif.display()));
    wanted["configuration"]["debug_mode"] = false.into();
    local.put(&wanted);
    let row = local.until_status("compressed", "DEPLOYED");
    assert_eq!(row["attestation"]["state"], "ATTESTED", "{row:#}");
    let (code, verified) = verify(&local, &row, false);
    assert_eq!(
        (code, &verified["verified"]),
        (0, &Value::from(true)),
        "{verified}"
    );
}

#[test]
fn an_enclave_outside_any_row_stands_on_the_pipelines_root() {
    let local = Local::up();
    let eif = build(&local);
    let host = |words: &[&str]| {
        let mut command = program("treza-host");
        Answer::of(
            command
                .args(words)
                .arg("--state-dir")
                .arg(local.state().join("host")),
        )
        .good()
    };
    let words = ["run", "--json", "--memory", "512", "--eif", eif.to_str().unwrap()];
    let ran = host(&words).json();
    assert_eq!(ran["developmentRoot"], local.root.to_str().unwrap(), "{ran}");
    assert!(!local.state().join("host/ca").exists());
    host(&["stop", &ran["cid"].to_string()]);
    local.until_nothing_runs();
}

#[test]
fn the_plain_row_deploys_from_s3() {
    let folder = tempfile::tempdir().unwrap();
    let Some(emulated) = Emulated::alone(folder.path()) else {
        return;
    };
    let s3 = emulated.account();
    let local = Local::up_with(&["--s3-endpoint", s3.endpoint()]);
    let eif = std::fs::read(build(&local)).unwrap();
    let put = async {
        s3.create_bucket("bucket").await.unwrap();
        s3.put_object("/bucket/test.eif", eif).await.unwrap();
    };
    tokio::runtime::Runtime::new().unwrap().block_on(put);
    let mut row = plain_row("from-s3", "s3://bucket/test.eif");
    row["configuration"]["debug_mode"] = false.into();
    local.put(&row);
    let row = local.until_status("from-s3", "DEPLOYED");
    assert_eq!(row["attestation"]["state"], "ATTESTED", "{row:#}");
    assert_eq!(verify(&local, &row, false).0, 0);

    local.put(&plain_row("nothing", "s3://bucket/no-such.eif"));
    let why = local.reason_of_failure("nothing");
    assert!(
        why.contains("s3://bucket/no-such.eif") && why.contains("check bucket"),
        "{why}"
    );
}

#[test]
fn an_eif_without_our_agent_fails() {
    let local = Local::up();
    let bundles = end_to_end::programs::bundles();
    let bundle = std::fs::canonicalize(bundles.join("default")).unwrap();
    let bundle = if bundle.is_dir() {
        bundle
    } else {
        let digest = std::fs::read_to_string(&bundle).unwrap();
        bundles.join(digest.trim().trim_start_matches("sha256:"))
    };
    let (ramdisk, output) = (
        local.folder().join("foreign.cpio"),
        local.folder().join("foreign.eif"),
    );
    std::fs::write(&ramdisk, vec![0; 4096]).unwrap();
    let mut command = program("treza-eif");
    command
        .args(["build", "--cmdline", "console=ttyS0", "--kernel"])
        .arg(bundle.join("kernel"))
        .arg("--ramdisk")
        .arg(&ramdisk)
        .arg("--output")
        .arg(&output);
    Answer::of(&mut command).good();
    local.put(&plain_row("foreign", &format!("file:{}", output.display())));
    let why = local.reason_of_failure("foreign");
    assert!(
        why.contains("without our agent") && why.contains("treza-eif build"),
        "{why}"
    );

    std::fs::write(&output, b"no EIF at all").unwrap();
    local.put(&plain_row("no-eif", &format!("file:{}", output.display())));
    let why = local.reason_of_failure("no-eif");
    assert!(
        why.contains(&format!("file:{}: not a sound EIF", output.display())),
        "{why}"
    );
    assert!(local.machines().is_empty());
}
