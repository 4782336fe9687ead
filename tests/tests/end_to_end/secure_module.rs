//! The secure module for applications: theirs if the image asks for it, and else not there.

use crate::silent_row;
use end_to_end::{Image, Local, Registry};

#[test]
fn an_unmodified_program_has_the_device_if_its_image_asks() {
    let (registry, local) = (Registry::start(), Local::up());
    let asks = registry.push("asks", &Image::of_nsm_probe(&["treza.nsm=true"]));
    local.put(&silent_row("asks", &asks, "batch"));
    let row = local.until_status("asks", "DEPLOYED");
    let logs = local.treza(&["logs", "asks"]).good().stdout;
    assert!(logs.contains("attestation document of "), "{logs}");
    let module = format!("module {}", row["enclave"]["enclaveId"].as_str().unwrap());
    assert!(logs.contains(&module), "{logs}");
    assert!(
        logs.contains(", 17 locked registers"),
        "PCR 0 to 16 are locked before the application runs: {logs}"
    );
}

#[test]
fn without_the_label_there_is_no_device() {
    let (registry, local) = (Registry::start(), Local::up());
    let plain = registry.push("plain", &Image::of_nsm_probe(&[]));
    local.put(&silent_row("plain", &plain, "batch"));
    let why = local.reason_of_failure("plain");
    assert!(
        why.contains("no /dev/nsm") && why.contains("exit code 1"),
        "{why}"
    );
}
