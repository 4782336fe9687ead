//! What functions, runner and hosts are made of, as Terraform's runtime takes it.

use super::super::{Error, Global};
use super::Environment;
use super::account::{connection, sdk};
use clap::Args;
use contract::fault::causes;
use eif_build::bundle::Store;
use eif_build::digest::Digest;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The most bytes of a bundle's archive.
const MAX_BUNDLE: u64 = 256 << 20;

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

/// Where the artifacts go, and what the environment has already.
pub(super) struct Destination {
    /// The repository of the runner's image, `REGISTRY/NAME`.
    pub(super) repository: String,
    /// The bundles of the runtime that stands, and the URI that they are at; none of none.
    pub(super) bundles: Vec<Digest>,
    pub(super) bundles_uri: String,
}

impl Artifacts {
    /// Writes the variables of the runtime that name them; the file. The runner's image is pushed, unless this is only
    /// for a plan.
    pub(super) async fn prepare(
        &self,
        environment: &Environment,
        global: &Global,
        destination: &Destination,
        only_plan: bool,
    ) -> Result<PathBuf, Error> {
        let runner = match self.runner_image.strip_prefix("oci:") {
            None => self.runner_image.clone(),
            Some(layout) => {
                let image = Image::of_layout(layout, &destination.repository)?;
                if !only_plan && !image.is_there(global).await? {
                    image.push(environment, global).await?;
                }
                image.reference()
            }
        };
        let mut bundles = self.export(environment)?;
        bundles.extend(self.keep(environment, global, destination, &bundles).await?);
        let variables = json!({
            "lambda_zip": existing(&self.lambda_zip, "scripts/cloud.sh")?,
            "host_package": existing(&self.host_package, "scripts/package.sh")?,
            "bundles": bundles,
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
        let export = |digest: &Digest| {
            let file = environment.terraform.kept(&archive(digest))?;
            store.export(digest, &file).map_err(said)?;
            Ok(json!({"digest": digest.to_string(), "file": file}))
        };
        digests.iter().map(export).collect()
    }

    /// The bundles that the environment has and the store has not: rows may name them, so they stay.
    async fn keep(
        &self,
        environment: &Environment,
        global: &Global,
        destination: &Destination,
        exported: &[Value],
    ) -> Result<Vec<Value>, Error> {
        let mut kept = Vec::new();
        for digest in &destination.bundles {
            if exported
                .iter()
                .any(|bundle| bundle["digest"] == digest.to_string())
            {
                continue;
            }
            let file = environment.terraform.kept(&archive(digest))?;
            let uri = format!("{}{}", destination.bundles_uri, archive(digest));
            store::objects::fetch(&uri, &file, MAX_BUNDLE, &connection(global)).await?;
            kept.push(json!({"digest": digest.to_string(), "file": file}));
        }
        Ok(kept)
    }
}

/// A bundle's archive, by its name in the bucket.
fn archive(digest: &Digest) -> String {
    format!("{}.tar", digest.to_string().trim_start_matches("sha256:"))
}

fn existing(file: &Path, maker: &str) -> Result<PathBuf, Error> {
    std::path::absolute(file)
        .ok()
        .filter(|file| file.is_file())
        .ok_or_else(|| Error::Refused(format!("{} is missing: {maker} makes it", file.display())))
}

/// The runner's image in an OCI layout, and where it goes.
struct Image {
    layout: String,
    repository: String,
    digest: Digest,
}

impl Image {
    fn of_layout(layout: &str, repository: &str) -> Result<Self, Error> {
        let folder = layout.split(':').next().unwrap_or_default();
        let index = Path::new(folder).join("index.json");
        let wrong = |problem: String| {
            let index = index.display();
            Error::Refused(format!("{index}: {problem}: scripts/runner-image.sh makes it"))
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

    fn reference(&self) -> String {
        format!("{}@{}", self.repository, self.digest)
    }

    /// Whether the repository has it: tags there are written once.
    async fn is_there(&self, global: &Global) -> Result<bool, Error> {
        let name = self.repository.split_once('/').map_or("", |(_, name)| name);
        let image = aws_sdk_ecr::types::ImageIdentifier::builder()
            .image_digest(self.digest.to_string())
            .build();
        let client = aws_sdk_ecr::Client::new(&sdk(global).await);
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
    async fn push(&self, environment: &Environment, global: &Global) -> Result<(), Error> {
        let failed =
            |problem: String| Error::CouldNot(format!("the runner's image cannot be pushed: {problem}"));
        let authfile = environment.terraform.kept("registry.json")?;
        write_login(&authfile, &self.repository, global)
            .await
            .map_err(failed)?;
        // Untagged it would go after a week.
        let tag = self.digest.to_string().replace(':', "-");
        eprintln!(
            "==> skopeo copy oci:{} docker://{}:{tag}",
            self.layout, self.repository
        );
        let copied = Command::new("skopeo")
            .args(["copy", "--quiet", "--preserve-digests", "--authfile"])
            .arg(&authfile)
            .args([
                format!("oci:{}", self.layout),
                format!("docker://{}:{tag}", self.repository),
            ])
            .status()
            .await;
        // The login is worth twelve hours to whoever finds it.
        let removed = std::fs::remove_file(&authfile);
        let status =
            copied.map_err(|error| failed(format!("skopeo cannot be started: {error}: install skopeo")))?;
        removed.map_err(|error| failed(format!("{}: {error}", authfile.display())))?;
        match status.success() {
            true => Ok(()),
            false => Err(failed(format!(
                "skopeo ended with {status}: what it says stands above"
            ))),
        }
    }
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
