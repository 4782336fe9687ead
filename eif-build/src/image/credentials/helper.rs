//! Programs that have credentials, `docker-credential-NAME get`: the server's name goes to their standard input, JSON comes
//! back (the protocol of docker-credential-helpers, and Docker's keychains).
use std::{process::Stdio, time::Duration};

use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};

use super::Login;

/// The most that a program may write, in bytes. Tokens are some KiB at most.
const MAX_ANSWER: u64 = 64 << 10;
/// Some of them ask a cloud first, or a person.
const PATIENCE: Duration = Duration::from_secs(60);
/// The name in place of a user's where the secret is a refresh token.
const TOKEN: &str = "<token>";
/// How the protocol says, with an exit code of 1, that the program has nothing for the server.
const NOT_FOUND: &str = "credentials not found in native keychain";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks the program NAME for what it has for a server. Nothing that it writes goes into a refusal.
pub(super) async fn ask(name: &str, server: &str) -> Result<Login, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > 100 || !name.bytes().all(fits) {
        return Err(
            "the name of a credential helper in it has other characters than letters, digits, -, _ and ."
                .into(),
        );
    }
    let program = format!("docker-credential-{name}");
    let refuse = |problem: &str| format!("its credential helper {program} {problem}");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| refuse(&format!("cannot be run: {error}; install it, or log in again")))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let conversation = async {
        if let Some(mut input) = input {
            // One that ends without reading has its answer ready, or none.
            let _ = input.write_all(server.as_bytes()).await;
        }
        let mut answer = Vec::new();
        if let Some(output) = output {
            output.take(MAX_ANSWER + 1).read_to_end(&mut answer).await?;
        }
        if answer.len() as u64 > MAX_ANSWER {
            child.start_kill()?;
        }
        child.wait().await.map(|status| (status, answer))
    };
    let (status, answer) = timeout(PATIENCE, conversation)
        .await
        .map_err(|_| refuse(&format!("gives no answer within {} s", PATIENCE.as_secs())))?
        .map_err(|error| refuse(&format!("breaks off: {error}")))?;
    if answer.len() as u64 > MAX_ANSWER {
        return Err(refuse(&format!("writes more than {MAX_ANSWER} bytes")));
    }
    if !status.success() {
        return match std::str::from_utf8(&answer).map(str::trim) {
            Ok(NOT_FOUND) => Ok(Login::Anonymous),
            _ => Err(refuse(&format!(
                "fails ({status}); run `echo {server} | {program} get` to see why"
            ))),
        };
    }
    let Ok(Answer { username, secret }) = serde_json::from_slice(&answer) else {
        return Err(refuse(
            "answers with something else than Username and Secret in JSON",
        ));
    };
    Ok(match username.as_str() {
        TOKEN => Login::Identity(secret),
        _ => Login::basic(&username, &secret),
    })
}
