//! Credentials that Docker's configuration has by a program, and refresh tokens.
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Output,
    sync::{Arc, Mutex},
};

use crate::{
    pulled::{image, measure_by_command},
    server::{ask_for_token, content, reply, serve},
};

/// A registry of one image whose token server grants a token to whoever shows `shown`; what it was shown.
fn registry(
    folder: &Path,
    digest: eif_build::digest::Digest,
    grant: &'static str,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (noted, layout) = (asked.clone(), folder.join("image"));
    let address = serve(move |request, stream| {
        let host = request.header("host").unwrap();
        if request.path().starts_with("/token") {
            let shown = match request.method() {
                "POST" => request.body.clone(),
                _ => request.authorization().unwrap_or_default().to_owned(),
            };
            let answer = if shown.contains(grant) { "200 OK" } else { "401 No" };
            noted.lock().unwrap().push(shown);
            reply(stream, answer, &[], br#"{"access_token":"t"}"#);
        } else if request.authorization() == Some("Bearer t") {
            reply(
                stream,
                "200 OK",
                &[],
                &content(&layout, request.path(), &digest).unwrap(),
            );
        } else {
            ask_for_token(stream, &format!("http://{host}/token"));
        }
    });
    (address, asked)
}

/// Installs a credential helper `NAME` in `folder/bin` that runs `script`; the PATH that has it.
fn install(folder: &Path, name: &str, script: &str) -> String {
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let program = bin.join(format!("docker-credential-{name}"));
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

fn pull(address: &str, folder: &Path, config: &str, path: &str) -> Output {
    fs::write(folder.join("config.json"), config.replace("HOST", address)).unwrap();
    measure_by_command(&format!("{address}/app:1"), folder, &[("PATH", path)])
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_program_is_asked_for_the_registry_and_its_answer_shown() {
    // user:secret
    let (folder, digest) = image();
    let (address, asked) = registry(folder.path(), digest, "Basic dXNlcjpzZWNyZXQ=");
    let script = format!(
        r#"[ "$1" = get ] || exit 9; read -r server; [ "$server" = {address} ] || exit 8; echo '{{"ServerURL":"'$server'","Username":"user","Secret":"secret"}}'"#
    );
    let path = install(folder.path(), "keeper", &script);
    for config in [
        r#"{"credHelpers":{"HOST":"keeper"},"credsStore":"none","auths":{"HOST":{"auth":"!"}}}"#,
        r#"{"credsStore":"keeper","auths":{"HOST":{}}}"#,
    ] {
        let output = pull(&address, folder.path(), config, &path);
        let measured = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(measured.contains(&digest.to_string()), "{}", error(&output));
        fs::remove_dir_all(folder.path().join("fetched")).unwrap();
    }
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[test]
fn a_refresh_token_is_exchanged_and_shown_to_the_token_server_alone() {
    for (config, script) in [
        (
            r#"{"auths":{"HOST":{"auth":"dXNlcjpzZWNyZXQ=","identitytoken":"re/fresh+"}}}"#,
            "exit 1",
        ),
        (
            r#"{"credsStore":"keeper"}"#,
            r#"cat >/dev/null; echo '{"ServerURL":"x","Username":"<token>","Secret":"re/fresh+"}'"#,
        ),
    ] {
        let (folder, digest) = image();
        let (address, asked) = registry(folder.path(), digest, "refresh_token=re%2Ffresh%2B");
        let path = install(folder.path(), "keeper", script);
        let output = pull(&address, folder.path(), config, &path);
        let measured = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(measured.contains(&digest.to_string()), "{}", error(&output));
        let asked = asked.lock().unwrap();
        assert_eq!(
            *asked,
            [
                "grant_type=refresh_token&client_id=treza-eif&service=test&scope=repository%3Aapp%3Apull&refresh_token=re%2Ffresh%2B"
            ]
        );
    }
}

#[test]
fn a_program_without_credentials_leaves_the_file_s_own() {
    let (folder, digest) = image();
    let (address, _) = registry(folder.path(), digest, "Basic dXNlcjpzZWNyZXQ=");
    let path = install(
        folder.path(),
        "keeper",
        "echo 'credentials not found in native keychain'; exit 1",
    );
    let config = r#"{"credsStore":"keeper","auths":{"HOST":{"auth":"dXNlcjpzZWNyZXQ="}}}"#;
    let output = pull(&address, folder.path(), config, &path);
    assert!(output.status.success(), "{}", error(&output));
}

#[test]
fn a_program_that_fails_is_named_and_not_quoted() {
    let (folder, digest) = image();
    let (address, asked) = registry(folder.path(), digest, "nothing");
    for (name, script, problem) in [
        ("missing", None, "cannot be run"),
        (
            "failing",
            Some("echo secret; echo secret >&2; exit 3"),
            "fails (exit status: 3)",
        ),
        ("chatty", Some("yes secret"), "writes more than 65536 bytes"),
        ("odd", Some("echo '\"secret\"'"), "answers with something else"),
        ("../../bin/sh", None, "other characters"),
    ] {
        let path = script.map_or_else(
            || std::env::var("PATH").unwrap(),
            |script| install(folder.path(), name, script),
        );
        let config = format!(r#"{{"credsStore":"{name}"}}"#);
        let output = pull(&address, folder.path(), &config, &path);
        let error = error(&output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(
            error.contains(problem) && !error.contains("secret"),
            "{name}: {error}"
        );
        assert!(error.contains("config.json"), "{error}");
    }
    assert!(asked.lock().unwrap().is_empty());
}
