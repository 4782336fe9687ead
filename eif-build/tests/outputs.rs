//! What the program writes: files, whole or not at all and in the place of files alone, and what it prints.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod common;

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    process::Command,
};

use common::{
    Layer, gzip, oci_image,
    workshop::{SIGN, Workshop},
};

const BUILD: &str = "build --kernel kernel --cmdline quiet --ramdisk boot --output";

/// A refused command's words on standard error.
fn refused(workshop: &Workshop, arguments: &str) -> String {
    let output = workshop.run(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {said}");
    said
}

#[test]
fn what_is_no_file_is_not_replaced() {
    let workshop = Workshop::new();
    let at = |name: &str| workshop.path().join(name);
    let made = Command::new("mkfifo").arg(at("pipe")).status().unwrap();
    assert!(made.success());
    symlink("nowhere", at("dangling")).unwrap();
    let before = fs::metadata(at("pipe")).unwrap().ino();
    for (output, said) in [
        ("pipe", "a device or the like"),
        ("dangling", "leads to nothing"),
        ("bundles", "a folder"),
    ] {
        let problem = refused(&workshop, &format!("{BUILD} {output}"));
        assert!(
            problem.contains(&format!("{output}: it is")) && problem.contains(said),
            "{problem}"
        );
    }
    let shown = workshop.done("bundle show");
    let bundle = shown.lines().next().unwrap().replace("bundle   ", "");
    let problem = refused(&workshop, &format!("bundle export {bundle} --output pipe"));
    assert!(problem.contains("pipe: it is a device"), "{problem}");
    assert_eq!(fs::metadata(at("pipe")).unwrap().ino(), before);
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode_and_links_are_followed() {
    let workshop = Workshop::new();
    workshop.build("a.eif", "");
    let at = |name: &str| workshop.path().join(name);
    fs::set_permissions(at("a.eif"), Permissions::from_mode(0o600)).unwrap();
    symlink("a.eif", at("link.eif")).unwrap();
    workshop.done(&format!("sign link.eif {SIGN}"));
    assert!(at("link.eif").is_symlink());
    assert_eq!(fs::metadata(at("a.eif")).unwrap().mode() & 0o7777, 0o600);
    workshop.done("verify a.eif");
}

#[test]
fn an_input_is_not_overwritten() {
    let workshop = Workshop::new();
    let kernel = workshop.path().join("kernel");
    let before = fs::read(&kernel).unwrap();
    for output in ["kernel", "./boot"] {
        let problem = refused(&workshop, &format!("{BUILD} {output}"));
        assert!(problem.contains("it is an input too"), "{problem}");
    }
    assert_eq!(fs::read(&kernel).unwrap(), before);
}

#[test]
fn an_input_without_a_size_is_named() {
    let workshop = Workshop::new();
    let problem = refused(
        &workshop,
        "build --kernel /dev/zero --cmdline quiet --ramdisk boot --output a.eif",
    );
    assert!(problem.contains("/dev/zero: it is no regular file"), "{problem}");
    assert!(!workshop.path().join("a.eif").exists());
}

#[test]
fn what_cannot_be_printed_is_an_error_and_no_panic() {
    let workshop = Workshop::new();
    workshop.build("a.eif", "");
    let run = |errors: File| {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = workshop.command("describe a.eif");
        command.stdout(full).stderr(errors).status().unwrap().code()
    };
    let errors = workshop.path().join("errors");
    assert_eq!(run(File::create(&errors).unwrap()), Some(1));
    let said = fs::read_to_string(errors).unwrap();
    assert!(said.starts_with("treza-eif: standard output: No space"), "{said}");
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(run(full), Some(1), "though nobody can be told");
    let (reading, writing) = std::io::pipe().unwrap();
    drop(reading);
    let ended = workshop
        .command("describe a.eif")
        .stdout(writing)
        .output()
        .unwrap();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
}

#[test]
fn a_shape_that_nitro_cli_does_not_have_is_refused_before_anything_is_done() {
    let workshop = Workshop::new();
    let problem = refused(&workshop, "bundle prune --json=nitro-cli");
    assert!(problem.contains("nothing was done"), "{problem}");
    workshop.build("a.eif", "");
    refused(&workshop, "extract a.eif --output out --json=nitro-cli");
    assert!(!workshop.path().join("out").exists());
}

#[test]
fn a_time_that_is_none_is_shown() {
    let workshop = Workshop::new();
    let problem = refused(&workshop, &format!("{BUILD} a.eif --build-time yesterday"));
    assert!(
        problem.contains(r#"--build-time "yesterday" is not a time"#),
        "{problem}"
    );
}

#[test]
fn a_name_of_a_file_is_not_asked_of_a_registry() {
    let workshop = Workshop::new();
    workshop.build("a.eif", "");
    let output = workshop.run("diff missing.eif a.eif");
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(problem.contains("missing.eif: No such file"), "{problem}");
}

#[test]
fn a_full_disk_leaves_nothing() {
    let workshop = Workshop::new();
    workshop.build("a.eif", SIGN);
    let bundle = workshop
        .done("bundle show")
        .lines()
        .next()
        .unwrap()
        .replace("bundle   ", "");
    let noise: Vec<u8> = (0..9000u32)
        .flat_map(|it| it.wrapping_mul(2_654_435_761).to_be_bytes())
        .collect();
    let layer = Layer::new().file("noise", &noise).tar();
    oci_image(
        &workshop.path().join("image"),
        &[(layer, gzip)],
        r#""Cmd":["/a"]"#,
    );
    let image = format!("oci:{}", workshop.path().join("image").display());
    let full = workshop.path().join("full");
    fs::create_dir(&full).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4k", "none"])
        .arg(&full)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: a small tmpfs cannot be mounted here");
        return;
    }
    let commands = [
        "build --kernel kernel --cmdline a --ramdisk boot --output full/b.eif".to_owned(),
        format!("sign a.eif {SIGN} --output full/b.eif"),
        "extract a.eif --output full/out".to_owned(),
        format!("bundle export {bundle} --output full/b.tar"),
        format!("build --image {image} --cache full/cache --output image.eif"),
    ];
    let outputs: Vec<_> = commands.iter().map(|command| workshop.run(command)).collect();
    let left: Vec<_> = fs::read_dir(&full)
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert!(Command::new("umount").arg(&full).status().unwrap().success());
    for (command, output) in commands.iter().zip(outputs) {
        let problem = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{command}: {problem}");
        assert!(
            problem.contains("No space left") && problem.contains("The disk is full"),
            "{command}: {problem}"
        );
        let written = command.starts_with("build --kernel") || command.starts_with("sign");
        assert!(
            !written || problem.contains("full/b.eif: "),
            "{command}: {problem}"
        );
    }
    assert_eq!(left, ["cache"], "a folder for what the next attempt fetches");
    assert!(!workshop.path().join("image.eif").exists());
}

/// Whoever reads the old file reads it to its end: the new one takes its name, and nothing is written into it.
#[test]
fn what_is_written_takes_the_place_of_what_was_there() {
    let workshop = Workshop::new();
    workshop.build("a.eif", "");
    let (written, read) = (
        workshop.path().join("a.eif"),
        workshop.path().join("being-read.eif"),
    );
    fs::hard_link(&written, &read).unwrap();
    let before = fs::read(&read).unwrap();
    workshop.done(&format!("sign a.eif {SIGN}"));
    assert!(fs::read(&read).unwrap() == before, "written into");
    assert!(fs::read(&written).unwrap() != before, "not signed");
}
