//! The program itself: what it prints, and with which code it ends.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod common;

use std::fs;

use common::{
    Layer, gzip, oci_image,
    workshop::{SIGN, Workshop},
};
use serde_json::Value;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn describe_prints_nitro_clis_shape_to_the_letter() {
    let workshop = Workshop::new();
    workshop.build("plain.eif", "--name n");
    let plain = workshop.json(0, "describe --json=nitro-cli plain.eif");
    assert_eq!(
        keys(&plain),
        [
            "EifVersion",
            "Measurements",
            "IsSigned",
            "CheckCRC",
            "ImageName",
            "ImageVersion",
            "Metadata"
        ]
    );
    assert_eq!(
        keys(&plain["Measurements"]),
        ["HashAlgorithm", "PCR0", "PCR1", "PCR2"]
    );
    assert_eq!(plain["Measurements"]["HashAlgorithm"], "Sha384 { ... }");
    assert_eq!(
        keys(&plain["Metadata"]),
        [
            "BuildTime",
            "BuildTool",
            "BuildToolVersion",
            "OperatingSystem",
            "KernelVersion",
            "DockerInfo"
        ]
    );
    assert_eq!(
        (&plain["EifVersion"], &plain["IsSigned"], &plain["CheckCRC"]),
        (&4.into(), &false.into(), &true.into())
    );

    workshop.build("signed.eif", SIGN);
    let signed = workshop.json(0, "describe --json=nitro-cli signed.eif");
    assert_eq!(
        keys(&signed),
        [
            "EifVersion",
            "Measurements",
            "IsSigned",
            "SigningCertificate",
            "CheckCRC",
            "SignatureCheck",
            "ImageName",
            "ImageVersion",
            "Metadata"
        ]
    );
    assert_eq!(keys(&signed["Measurements"])[4], "PCR8");
    let certificate = &signed["SigningCertificate"];
    assert_eq!(
        keys(certificate),
        ["IssuerName", "Algorithm", "NotBefore", "NotAfter", "Signature"]
    );
    assert_eq!(certificate["IssuerName"]["commonName"], "rcgen self signed cert");
    assert_eq!(certificate["Algorithm"], "ecdsa-with-SHA384");
    assert_eq!(certificate["NotBefore"], "Jan  1 00:00:00 1975 GMT");
    assert_eq!(certificate["NotAfter"], "Jan  1 00:00:00 4000 GMT");
    let signature = certificate["Signature"].as_str().unwrap();
    assert!(
        signature.starts_with("30:6") && signature.split(':').all(|it| it.len() == 2),
        "{signature}"
    );
    assert_eq!(signed["SignatureCheck"], true);
    let ours = workshop.json(0, "describe --json signed.eif");
    assert_eq!(
        ours["SigningCertificate"], *certificate,
        "the same facts, spelled the same"
    );
    assert_eq!(ours["Sections"].as_array().unwrap().len(), 6);
}

#[test]
fn custom_metadata_stand_among_the_others_as_in_nitro_cli() {
    let workshop = Workshop::new();
    let mut sections = common::eif::sound();
    let metadata = String::from_utf8(sections[2].2.clone()).unwrap();
    sections[2].2 = metadata
        .replace(
            "\"CustomMetadata\":null",
            "\"CustomMetadata\":{\"Team\":\"blue\"}",
        )
        .into_bytes();
    fs::write(workshop.path().join("a.eif"), common::eif::by_hand(&sections)).unwrap();
    let found = workshop.json(0, "describe --json=nitro-cli a.eif");
    assert_eq!(keys(&found["Metadata"]).last(), Some(&"Team"));
}

#[test]
fn a_damaged_file_is_described_and_refused() {
    let workshop = Workshop::new();
    workshop.build("a.eif", SIGN);
    let path = workshop.path().join("a.eif");
    let mut bytes = fs::read(&path).unwrap();
    bytes[600] ^= 1;
    fs::write(&path, bytes).unwrap();
    let json = workshop.json(2, "describe --json=nitro-cli a.eif");
    assert_eq!(
        (&json["CheckCRC"], &json["SignatureCheck"]),
        (&false.into(), &false.into())
    );
    let text = workshop.ended(2, "describe a.eif");
    assert!(
        text.contains("crc     WRONG") && text.contains("made for another image"),
        "{text}"
    );
    let json = workshop.json(2, "verify --json a.eif");
    let failed: Vec<_> = json["Checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["Passed"] == false)
        .collect();
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert_eq!(
        (&failed[0]["Check"], &json["Verified"]),
        (&"crc".into(), &false.into())
    );
    workshop.ended(2, "extract a.eif --output out");
    workshop.ended(2, "diff a.eif a.eif");
    workshop.ended(2, &format!("sign a.eif {SIGN}"));
    workshop.ended(1, "describe missing.eif");
}

#[test]
fn sign_and_verify_say_what_they_find() {
    let workshop = Workshop::new();
    workshop.build("a.eif", "");
    workshop.build("b.eif", SIGN);
    let refused = workshop.ended(2, "verify a.eif");
    assert!(refused.contains("REFUSED signature"), "{refused}");
    let signed = workshop.json(0, &format!("sign a.eif {SIGN} --output c.eif --json"));
    assert_eq!(keys(&signed), ["Measurements"]);
    assert_eq!(workshop.done("diff b.eif c.eif"), "the same\n");
    workshop.done(&format!("sign a.eif {SIGN}"));
    assert_eq!(workshop.done("diff a.eif b.eif"), "the same\n");
    let verified = workshop.json(0, "verify --json b.eif");
    assert_eq!(
        (&verified["Verified"], &verified["Measurements"]),
        (&true.into(), &signed["Measurements"])
    );
    let text = workshop.done("verify b.eif");
    assert_eq!(
        text.lines().filter(|line| line.starts_with("ok ")).count(),
        7,
        "{text}"
    );
}

#[test]
fn a_difference_ends_with_three() {
    let workshop = Workshop::new();
    workshop.build("a.eif", "");
    workshop.build("b.eif", "--name other");
    let text = workshop.ended(3, "diff a.eif b.eif");
    assert_eq!(text, "metadata  ImageName  value  \"files\" -> \"other\"\n");
    let json = workshop.json(3, "diff --json a.eif b.eif");
    assert_eq!(
        (&json["Same"], &json["Differences"][0]["Path"]),
        (&false.into(), &"ImageName".into())
    );
    workshop.ended(1, "diff a.eif oci:nowhere");
}

#[test]
fn images_are_compared_as_the_eifs_that_they_make() {
    let workshop = Workshop::new();
    let image = |name: &str, content: &[u8]| {
        let layer = Layer::new().file("etc/motd", content).tar();
        oci_image(&workshop.path().join(name), &[(layer, gzip)], r#""Cmd":["/a"]"#);
        format!("oci:{}", workshop.path().join(name).display())
    };
    let (one, other) = (image("one", b"1"), image("other", b"2"));
    let text = workshop.ended(3, &format!("diff {one} {other}"));
    assert!(
        text.contains("ramdisk 1  rootfs/etc/motd  content  sha256:"),
        "{text}"
    );
    workshop.done(&format!("build --image {one} --output a.eif"));
    assert_eq!(workshop.done(&format!("diff a.eif {one}")), "the same\n");
}

/// The head of a bzImage, and its version behind it.
fn says_its_version() -> Vec<u8> {
    let mut kernel = vec![0; 0x300];
    for (at, bytes) in [(0x202, &b"HdrS\x0f\x02"[..]), (0x20e, &[0x00, 0x01])] {
        kernel[at..at + bytes.len()].copy_from_slice(bytes);
    }
    kernel.extend_from_slice(b"6.1.2 (someone@somewhere)\0");
    kernel
}

#[test]
fn bundles_are_shown_carried_and_pruned() {
    let workshop = Workshop::new();
    let first = workshop
        .done("bundle show")
        .lines()
        .next()
        .unwrap()
        .replace("bundle   ", "");
    let second = workshop.done("bundle create --kernel kernel --cmdline other --agent agent");
    let second = second.trim();
    assert!(
        workshop
            .done("bundle list")
            .contains(&format!("{first}  cmdline"))
    );
    let shown = workshop.json(0, &format!("bundle show --json {second}"));
    assert_eq!(
        (&shown["Bundle"], &shown["Cmdline"]),
        (&second.into(), &"other".into())
    );
    assert!(shown["KernelVersion"].is_null(), "{shown:#}");
    workshop.done(&format!("bundle export {second} --output b.tar"));
    assert_eq!(workshop.done("bundle prune"), format!("removed {second}\n"));
    workshop.ended(1, &format!("bundle show {second}"));
    assert_eq!(
        workshop.done("bundle import b.tar --default"),
        format!("{second}\n")
    );
    assert!(
        workshop
            .done("bundle list")
            .contains(&format!("{second}  cmdline"))
    );
    let files = "bzImage cmdline nsm.ko";
    fs::create_dir(workshop.path().join("blobs")).unwrap();
    for name in files.split(' ') {
        let content: &[u8] = if name == "nsm.ko" {
            b"\x7fELF"
        } else if name == "bzImage" {
            &says_its_version()
        } else {
            b"pci=off\n"
        };
        fs::write(workshop.path().join("blobs").join(name), content).unwrap();
    }
    let nitro = workshop.done("bundle create --nitro --blobs blobs --agent agent");
    let shown = workshop.json(0, &format!("bundle show --json {}", nitro.trim()));
    assert_eq!(
        (&shown["Cmdline"], &shown["Manifest"]["machine"]),
        (&"pci=off".into(), &"cmdline".into())
    );
    assert_eq!(shown["KernelVersion"], "6.1.2 (someone@somewhere)");
    workshop.ended(1, "bundle create --nitro --agent agent");
}
