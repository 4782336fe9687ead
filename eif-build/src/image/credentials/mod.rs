//! Credentials for registries.
mod docker;
#[cfg(feature = "ecr")]
mod ecr;
mod helper;

use std::path::{Path, PathBuf};

use super::Error;

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
    /// What Docker's configuration (`config.json`) has for the registry, itself or by a program that it names. Where it has
    /// nothing, or is not there: nothing, but for registries of ECR what AWS gives (feature `ecr`).
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
    Basic {
        name: String,
        password: String,
    },
    Bearer(String),
    /// A refresh token (OAuth 2.0), for the registry's token server alone.
    Identity(String),
}

impl Login {
    fn basic(name: &str, password: &str) -> Self {
        let (name, password) = (name.to_owned(), password.to_owned());
        Self::Basic { name, password }
    }
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
    pub(super) async fn for_registry(&self, registry: &str) -> Result<Login, Error> {
        match self {
            Self::Anonymous => Ok(Login::Anonymous),
            Self::Basic(name, password) => Ok(Login::basic(name, password)),
            Self::Bearer(token) => Ok(Login::Bearer(token.clone())),
            Self::DockerConfig(path) => {
                let found = docker::look_up(path, registry).await;
                let refuse = |problem| Error::Credentials {
                    origin: path.display().to_string(),
                    problem,
                };
                match found.map_err(refuse)? {
                    Login::Anonymous => log_in(registry).await,
                    login => Ok(login),
                }
            }
        }
    }
}

/// What is shown to a registry that Docker's configuration says nothing about: to one of ECR a password that AWS gives.
#[cfg(feature = "ecr")]
async fn log_in(registry: &str) -> Result<Login, Error> {
    let Some(region) = ecr::region(registry) else {
        return Ok(Login::Anonymous);
    };
    ecr::log_in(region).await.map_err(|problem| Error::Credentials {
        origin: registry.to_owned(),
        problem,
    })
}

#[cfg(not(feature = "ecr"))]
async fn log_in(_: &str) -> Result<Login, Error> {
    Ok(Login::Anonymous)
}
