//! What functions, runner and hosts are made of, as Terraform's runtime takes it.

use super::super::{Error, Global};
use super::Environment;
use super::account::sdk;
use clap::Args;
use contract::fault::causes;
use eif_build::bundle::Store;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio::process::Command;

#[derive(Debug, Args)]
pub(super) struct Artifacts {
    /// The functions' package, as scripts/cloud.sh makes it, for the environment's `architecture`
    #[arg(long, value_name = "FILE", default_value = "target/cloud/arm64/lambda.zip")]
    lambda_zip: PathBuf,
    /// The hosts' package, as scripts/package.sh makes it
    #[arg(long, value_name = "FILE")]
    host_package: PathBuf,
    /// The folder of bundles; new rows take its default, all of them can be run
    #[arg(
        long,
        value_name = "DIR",
        env = "TREZA_BUNDLES",
        default_value = "target/bundles"
    )]
    bundles: PathBuf,
    /// The runner's image: an OCI layout as scripts/runner-image.sh makes it, which is pushed, or one that is there
    /// already (REGISTRY/NAME@sha256:…)
    #[arg(long, value_name = "IMAGE", default_value = "oci:target/cloud/runner:runner")]
    runner_image: String,
}

impl Artifacts {
    /// Writes the variables of the runtime that name them; the file.
    pub(super) async fn prepare(
        &self,
        environment: &Environment,
        global: &Global,
        repository: &str,
    ) -> Result<PathBuf, Error> {
        let runner = match self.runner_image.strip_prefix("oci:") {
            None => self.runner_image.clone(),
            Some(layout) => push(layout, repository, environment, global).await?,
        };
        let variables = json!({
            "lambda_zip": existing(&self.lambda_zip, "scripts/cloud.sh")?,
            "host_package": existing(&self.host_package, "scripts/package.sh")?,
            "bundles": self.export(environment)?,
            "runner_image": runner,
        });
        let file = environment.terraform.kept("artifacts.tfvars.json")?;
        std::fs::write(&file, variables.to_string())
            .map_err(|error| Error::CouldNot(format!("{}: {error}", file.display())))?;
        Ok(file)
    }

    /// Exports every bundle of the store, the default first.
    fn export(&self, environment: &Environment) -> Result<Vec<Value>, Error> {
        let said = |error: eif_build::bundle::Error| Error::Refused(error.to_string());
        let store = Store::new(&self.bundles);
        let default = store.default_digest().map_err(said)?;
        let mut digests = store.list().map_err(said)?;
        digests.sort_by_key(|digest| *digest != default);
        let export = |digest: &eif_build::digest::Digest| {
            let name = digest.to_string();
            let file = environment
                .terraform
                .kept(&format!("{}.tar", name.trim_start_matches("sha256:")))?;
            store.export(digest, &file).map_err(said)?;
            Ok(json!({"digest": name, "file": file}))
        };
        digests.iter().map(export).collect()
    }
}

fn existing(file: &Path, maker: &str) -> Result<PathBuf, Error> {
    std::path::absolute(file)
        .ok()
        .filter(|file| file.is_file())
        .ok_or_else(|| Error::Refused(format!("{} is missing: {maker} makes it", file.display())))
}

/// Pushes an OCI layout with skopeo; the image as it is named there, with its digest.
async fn push(
    layout: &str,
    repository: &str,
    environment: &Environment,
    global: &Global,
) -> Result<String, Error> {
    let failed = |problem: String| Error::CouldNot(format!("the runner's image cannot be pushed: {problem}"));
    let authfile = environment.terraform.kept("registry.json")?;
    write_login(&authfile, repository, global).await.map_err(failed)?;
    let digest = environment.terraform.kept("runner.digest")?;
    eprintln!("==> skopeo copy oci:{layout} docker://{repository}:latest");
    let copied = Command::new("skopeo")
        .args(["copy", "--quiet", "--authfile"])
        .arg(&authfile)
        .arg("--digestfile")
        .arg(&digest)
        .args([format!("oci:{layout}"), format!("docker://{repository}:latest")])
        .status()
        .await;
    // The login is worth twelve hours to whoever finds it.
    let removed = std::fs::remove_file(&authfile);
    let status =
        copied.map_err(|error| failed(format!("skopeo cannot be started: {error}: install skopeo")))?;
    removed.map_err(|error| failed(format!("{}: {error}", authfile.display())))?;
    if !status.success() {
        return Err(failed(format!(
            "skopeo ended with {status}: what it says stands above"
        )));
    }
    let digest = std::fs::read_to_string(&digest).map_err(|error| failed(error.to_string()))?;
    Ok(format!("{repository}@{}", digest.trim()))
}

/// Writes what ECR gives as a login, for this user's eyes alone.
async fn write_login(file: &Path, repository: &str, global: &Global) -> Result<(), String> {
    let client = aws_sdk_ecr::Client::new(&sdk(global).await);
    let answer = client.get_authorization_token().send().await;
    let data = answer.map_err(|error| causes(&error, 300))?.authorization_data;
    let token = data
        .and_then(|data| data.into_iter().next()?.authorization_token)
        .ok_or("ECR gives no login")?;
    let registry = repository.split('/').next().unwrap_or_default();
    let login = json!({"auths": {registry: {"auth": token}}});
    let folder = file.parent().ok_or("no folder")?;
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(|error| error.to_string())?;
    std::io::Write::write_all(&mut new, login.to_string().as_bytes()).map_err(|error| error.to_string())?;
    new.persist(file).map_err(|error| error.to_string())?;
    Ok(())
}
