//! What the machine lacks or what is in the way: said plainly, and nothing is left running.

use end_to_end::programs::{Answer, program};
use end_to_end::{Local, processes};
use std::net::TcpListener;

#[test]
fn a_port_that_is_taken_says_by_whom() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = program("treza");
    let answer = Answer::of(
        command
            .args(["local", "up", "--dynamodb-port", &port, "--state-dir"])
            .arg(folder.path()),
    );
    assert_eq!(answer.code, 1, "{answer:?}");
    let text = answer.text();
    let owner = format!("pid {}", std::process::id());
    for word in [&port, &owner, "--dynamodb-port"] {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
    assert_eq!(processes::naming(folder.path()), []);
}

#[test]
fn a_machine_without_qemu_is_told_what_to_install() {
    let (folder, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut command = program("treza");
    let answer = Answer::of(
        command
            .args(["local", "up", "--dynamodb-port", "0", "--state-dir"])
            .arg(folder.path())
            .env("PATH", empty.path()),
    );
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(
        answer.text().contains("apt-get install qemu-system-x86"),
        "{answer:?}"
    );
    assert_eq!(processes::naming(folder.path()), []);
}

#[test]
fn a_machine_without_bundle_is_told_what_to_build() {
    let (folder, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut command = program("treza");
    let answer = Answer::of(
        command
            .args(["local", "up", "--dynamodb-port", "0", "--state-dir"])
            .arg(folder.path())
            .env("TREZA_BUNDLES", empty.path()),
    );
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.text().contains("make bundle"), "{answer:?}");
    assert_eq!(processes::naming(folder.path()), []);
}

#[test]
fn a_second_pipeline_on_one_state_is_refused_and_commands_without_one_say_so() {
    let local = Local::up();
    let again = local.treza(&["local", "up", "--dynamodb-port", "0"]);
    assert_eq!(again.code, 1);
    assert!(again.text().contains("runs already"), "{again:?}");
    local.treza(&["local", "down"]).good();
    local.treza(&["local", "down"]).good();
    let nobody = local.treza(&["status"]);
    assert_eq!(nobody.code, 1);
    assert!(nobody.text().contains("treza local up"), "{nobody:?}");
}
