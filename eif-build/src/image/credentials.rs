//! Credentials for registries.
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::Error;

/// The largest configuration file of Docker's, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// What is shown to a registry.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nothing.
    #[default]
    Anonymous,
    /// A name and a password, to any registry.
    Basic(String, String),
    /// A token, to any registry.
    Bearer(String),
    /// What Docker's configuration (`config.json`, field `auths`) has for the registry; nothing if the file is not there.
    DockerConfig(PathBuf),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Basic(..) => "Basic(…)",
            Self::Bearer(_) => "Bearer(…)",
            Self::DockerConfig(_) => "DockerConfig(…)",
        })
    }
}

/// What one registry is shown when it asks.
#[derive(PartialEq, Eq)]
pub(super) enum Login {
    Anonymous,
    Basic { name: String, password: String },
    Bearer(String),
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    registrytoken: String,
}

impl Credentials {
    /// Docker's configuration where Docker looks for it: in $DOCKER_CONFIG, else in ~/.docker.
    pub fn docker_default() -> Self {
        let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".docker"));
        match std::env::var_os("DOCKER_CONFIG").map(PathBuf::from).or_else(home) {
            Some(folder) => Self::DockerConfig(folder.join("config.json")),
            None => Self::Anonymous,
        }
    }

    /// What is shown to `registry`, a host with its port.
    pub(super) fn for_registry(&self, registry: &str) -> Result<Login, Error> {
        match self {
            Self::Anonymous => Ok(Login::Anonymous),
            Self::Basic(name, password) => Ok(Login::basic(name, password)),
            Self::Bearer(token) => Ok(Login::Bearer(token.clone())),
            Self::DockerConfig(path) => {
                let refuse = |problem: String| Error::Credentials {
                    path: path.clone(),
                    problem,
                };
                let json = match read(path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        return Ok(Login::Anonymous);
                    }
                    result => result.map_err(|error| refuse(error.to_string()))?,
                };
                // What serde says would quote the file, which holds secrets.
                let config: DockerConfig = serde_json::from_slice(&json).map_err(|error| {
                    let (line, column) = (error.line(), error.column());
                    refuse(format!(
                        "not Docker's configuration from line {line}, column {column}"
                    ))
                })?;
                let entry = config.auths.iter().find(|(name, _)| host(name) == host(registry));
                entry.map_or(Ok(Login::Anonymous), |(name, auth)| {
                    auth.decode()
                        .ok_or_else(|| refuse(format!("auths: {name:?}: not base64 of name:password")))
                })
            }
        }
    }
}

impl Login {
    fn basic(name: &str, password: &str) -> Self {
        let (name, password) = (name.to_owned(), password.to_owned());
        Self::Basic { name, password }
    }
}

impl Auth {
    fn decode(&self) -> Option<Login> {
        if !self.registrytoken.is_empty() {
            return Some(Login::Bearer(self.registrytoken.clone()));
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

/// The host and port of a key of `auths`, which may be a URL. Docker Hub has several names.
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

    #[test]
    fn docker_configuration_is_read_by_host() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let auth = STANDARD.encode("name:pass:word");
        let json = format!(
            r#"{{"auths":{{"https://index.docker.io/v1/":{{"auth":"{auth}"}},"127.0.0.1:5000":{{"registrytoken":"t"}},"bad":{{"auth":"!"}}}}}}"#
        );
        std::fs::write(&path, json).unwrap();
        let credentials = Credentials::DockerConfig(path);
        let shown = |registry: &str| credentials.for_registry(registry).ok();
        assert!(shown("docker.io") == Some(Login::basic("name", "pass:word")));
        assert!(shown("127.0.0.1:5000") == Some(Login::Bearer("t".into())));
        assert!(shown("127.0.0.1:5001") == Some(Login::Anonymous));
        assert!(shown("bad").is_none());
        let missing = Credentials::DockerConfig(folder.path().join("none"));
        assert!(missing.for_registry("x").ok() == Some(Login::Anonymous));
    }
}
