//! Docker's configuration, `config.json`: credentials in it, or the names of programs that have them.
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::{Login, helper};

/// The largest configuration file, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// Docker Hub as the keys of the file and the programs have it.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct DockerConfig {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

/// What the file has for a registry, in Docker's order: the registry's own program, the program for all of them, the file
/// itself. Nothing of a file that is not there. A refusal never quotes the file, which holds secrets.
pub(super) async fn look_up(path: &Path, registry: &str) -> Result<Login, String> {
    let json = match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Login::Anonymous),
        result => result.map_err(|error| error.to_string())?,
    };
    let config: DockerConfig = serde_json::from_slice(&json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("not Docker's configuration from line {line}, column {column}")
    })?;
    let server = match host(registry) {
        "index.docker.io" => DOCKER_HUB,
        host => host,
    };
    if let Some(name) = named(&config.cred_helpers, registry) {
        return helper::ask(name, server).await;
    }
    if !config.creds_store.is_empty() {
        match helper::ask(&config.creds_store, server).await? {
            Login::Anonymous => {}
            login => return Ok(login),
        }
    }
    named(&config.auths, registry).map_or(Ok(Login::Anonymous), |auth| {
        let refuse = || format!("auths: what it has for {registry} is not base64 of name:password");
        auth.decode().ok_or_else(refuse)
    })
}

fn named<'a, V>(entries: &'a BTreeMap<String, V>, registry: &str) -> Option<&'a V> {
    let mut found = entries.iter().filter(|(name, _)| host(name) == host(registry));
    found.next().map(|(_, value)| value)
}

impl Auth {
    fn decode(&self) -> Option<Login> {
        if !self.registrytoken.is_empty() {
            return Some(Login::Bearer(self.registrytoken.clone()));
        }
        if !self.identitytoken.is_empty() {
            return Some(Login::Identity(self.identitytoken.clone()));
        }
        if !self.auth.is_empty() {
            let text = String::from_utf8(STANDARD.decode(&self.auth).ok()?).ok()?;
            let (name, password) = text.split_once(':')?;
            return Some(Login::basic(name, password.trim_end_matches('\0')));
        }
        if self.username.is_empty() {
            return Some(Login::Anonymous);
        }
        Some(Login::basic(&self.username, &self.password))
    }
}

/// The host and port of a key, which may be a URL. Docker Hub has several names.
fn host(name: &str) -> &str {
    let name = name.trim_start_matches("https://").trim_start_matches("http://");
    match name.split('/').next().unwrap_or(name) {
        "docker.io" | "registry-1.docker.io" => "index.docker.io",
        host => host,
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked_up(path: &Path, registry: &str) -> Result<Login, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(look_up(path, registry))
    }

    fn found(json: &str, registry: &str) -> Result<Login, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, json).unwrap();
        looked_up(&path, registry)
    }

    #[test]
    fn entries_are_found_by_host() {
        let auth = STANDARD.encode("name:pass:word");
        let json = format!(
            r#"{{"auths":{{"https://index.docker.io/v1/":{{"auth":"{auth}"}},"127.0.0.1:5000":{{"registrytoken":"t"}},
                "acr.test":{{"auth":"{auth}","identitytoken":"i"}},"plain.test":{{"username":"u","password":"p"}},
                "empty.test":{{}},"bad.test":{{"auth":"!"}}}}}}"#
        );
        let shown = |registry: &str| found(&json, registry).ok();
        assert!(shown("docker.io") == Some(Login::basic("name", "pass:word")));
        assert!(shown("127.0.0.1:5000") == Some(Login::Bearer("t".into())));
        assert!(shown("acr.test") == Some(Login::Identity("i".into())));
        assert!(shown("plain.test") == Some(Login::basic("u", "p")));
        assert!(shown("empty.test") == Some(Login::Anonymous));
        assert!(shown("127.0.0.1:5001") == Some(Login::Anonymous));
        assert!(shown("bad.test").is_none());
    }

    #[test]
    fn a_refusal_quotes_nothing_of_the_file() {
        for json in [
            r#"{"auths":{"registry.test":{"auth":"c2VjcmV0"}}}"#, // "secret", no colon
            r#"{"auths":{"registry.test":{"auth":5,"password":"secret"}}}"#,
            r#"{"auths":"secret"}"#,
            "secret",
        ] {
            let problem = found(json, "registry.test").err().unwrap();
            assert!(
                !problem.contains("secret") && !problem.contains("c2Vj"),
                "{problem}"
            );
        }
    }

    #[test]
    fn no_file_is_no_credentials() {
        let folder = tempfile::tempdir().unwrap();
        let none = folder.path().join("none");
        assert!(looked_up(&none, "registry.test").ok() == Some(Login::Anonymous));
    }
}
