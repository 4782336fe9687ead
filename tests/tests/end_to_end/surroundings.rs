//! What the machine lacks or what is in the way: said plainly, and nothing is left running.

use end_to_end::programs::{Answer, program};
use end_to_end::{Local, processes};
use std::net::TcpListener;
use std::path::Path;

/// `treza local up` where it cannot come up: it says all of `words`, the first of them once, and leaves nothing running.
fn cannot_come_up(port: &str, environment: &[(&str, &Path)], words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program("treza");
    command.args(["local", "up", "--dynamodb-port", port, "--state-dir"]);
    let answer = Answer::of(command.arg(folder.path()).envs(environment.iter().copied()));
    assert_eq!(answer.code, 1, "{answer:?}");
    let text = answer.text();
    for word in words {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
    assert_eq!(text.matches(words[0]).count(), 1, "said again: {text}");
    assert_eq!(processes::naming(folder.path()), []);
}

#[test]
fn a_port_that_is_taken_says_by_whom() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let owner = format!("pid {}", std::process::id());
    cannot_come_up(&port, &[], &["--dynamodb-port", &port, &owner]);
}

#[test]
fn a_machine_without_qemu_is_told_what_to_install() {
    let empty = tempfile::tempdir().unwrap();
    cannot_come_up(
        "0",
        &[("PATH", empty.path())],
        &["apt-get install qemu-system-x86"],
    );
}

#[test]
fn a_machine_without_bundle_is_told_what_to_build() {
    let empty = tempfile::tempdir().unwrap();
    cannot_come_up("0", &[("TREZA_BUNDLES", empty.path())], &["make bundle"]);
}

#[test]
fn commands_that_look_make_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let ask =
        |name: &str, words: &[&str]| Answer::of(program(name).args(words).arg("--state-dir").arg(&state));
    assert_eq!(ask("treza", &["logs", "x"]).code, 1);
    assert_eq!(ask("treza", &["logs", "x", "--follow"]).code, 1);
    assert_eq!(
        ask("treza", &["logs", "x", "--endpoint", "http://127.0.0.1:1"]).code,
        2
    );
    assert_eq!(ask("treza", &["status"]).code, 1);
    assert_eq!(
        ask("treza-host", &["list", "--json"]).good().json(),
        serde_json::json!([])
    );
    assert_eq!(ask("treza-host", &["console", "16"]).code, 1);
    ask("treza-host", &["stop", "--all"]).good();
    assert!(!state.exists());
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
