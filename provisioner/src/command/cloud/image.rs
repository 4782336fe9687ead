//! The runner's image on its way to the registry.

use super::super::Error;
use super::Environment;
use contract::fault::causes;
use eif_build::digest::Digest;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use tempfile::NamedTempFile;
use tokio::process::Command;

/// An image in an OCI layout, and where it goes.
pub(super) struct Image {
    layout: String,
    repository: String,
    digest: Digest,
}

impl Image {
    pub(super) fn of_layout(layout: &str, repository: &str) -> Result<Self, Error> {
        let folder = layout.split(':').next().unwrap_or_default();
        let index = Path::new(folder).join("index.json");
        let wrong = |problem: String| {
            let index = index.display();
            Error::Refused(format!("{index}: {problem}: `make runner-image` makes it"))
        };
        let text = std::fs::read(&index).map_err(|error| wrong(error.to_string()))?;
        let value: Value = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        let digest = value.pointer("/manifests/0/digest").and_then(Value::as_str);
        let digest = digest.ok_or_else(|| wrong("names no image".into()))?.parse();
        Ok(Self {
            layout: layout.to_owned(),
            repository: repository.to_owned(),
            digest: digest.map_err(|_| wrong("its image's digest is no sha256".into()))?,
        })
    }

    pub(super) fn reference(&self) -> String {
        format!("{}@{}", self.repository, self.digest)
    }

    /// Whether the repository has it: tags there are written once.
    pub(super) async fn is_there(&self, environment: &Environment) -> Result<bool, Error> {
        let name = self.repository.split_once('/').map_or("", |(_, name)| name);
        let image = aws_sdk_ecr::types::ImageIdentifier::builder()
            .image_digest(self.digest.to_string())
            .build();
        let client = aws_sdk_ecr::Client::new(&environment.connection.sdk_config().await);
        let answer = client
            .describe_images()
            .repository_name(name)
            .image_ids(image)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_image_not_found_exception()) =>
            {
                Ok(false)
            }
            Err(error) => Err(Error::CouldNot(format!(
                "repository {}: {}",
                self.repository,
                causes(&error, 300)
            ))),
        }
    }

    /// Pushes it with skopeo.
    pub(super) async fn push(&self, environment: &Environment) -> Result<(), Error> {
        let failed =
            |problem: String| Error::CouldNot(format!("the runner's image cannot be pushed: {problem}"));
        // It goes when this ends: the login is worth twelve hours to whoever finds it.
        let login = self.login(environment).await.map_err(failed)?;
        // Untagged it would go after a week.
        let to = format!(
            "docker://{}:{}",
            self.repository,
            self.digest.to_string().replace(':', "-")
        );
        eprintln!("==> skopeo copy oci:{} {to}", self.layout);
        let copied = Command::new("skopeo")
            .args(["copy", "--quiet", "--preserve-digests", "--authfile"])
            .arg(login.path())
            .args([format!("oci:{}", self.layout), to])
            .stdin(Stdio::null())
            // A program's own output stays its result.
            .stdout(std::io::stderr())
            .kill_on_drop(true)
            .status()
            .await;
        let status =
            copied.map_err(|error| failed(format!("skopeo cannot be started: {error}: install skopeo")))?;
        match status.success() {
            true => Ok(()),
            false => Err(failed(format!(
                "skopeo ended with {status}: what it says stands above"
            ))),
        }
    }

    /// What ECR gives as a login, in a file for this user's eyes alone.
    async fn login(&self, environment: &Environment) -> Result<NamedTempFile, String> {
        let client = aws_sdk_ecr::Client::new(&environment.connection.sdk_config().await);
        let answer = client.get_authorization_token().send().await;
        let data = answer.map_err(|error| causes(&error, 300))?.authorization_data;
        let token = data
            .and_then(|data| data.into_iter().next()?.authorization_token)
            .ok_or("ECR gives no login")?;
        let registry = self.repository.split('/').next().unwrap_or_default();
        let login = json!({"auths": {registry: {"auth": token}}});
        let mut file = NamedTempFile::new().map_err(|error| error.to_string())?;
        file.write_all(login.to_string().as_bytes())
            .map_err(|error| error.to_string())?;
        Ok(file)
    }
}
