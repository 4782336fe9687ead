//! What functions, runner and hosts are made of, as Terraform's runtime takes it.

use super::super::Error;
use super::Environment;
use super::image::Image;
use clap::Args;
use eif_build::bundle::Store;
use eif_build::digest::Digest;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The most bytes of a bundle's archive.
const MAX_BUNDLE: u64 = 256 << 20;

#[derive(Debug, Args)]
pub(super) struct Artifacts {
    /// The functions' package, as `make cloud` leaves it [default: target/cloud/ARCHITECTURE/lambda.zip, for the
    /// environment's `architecture`]
    #[arg(long, value_name = "FILE")]
    lambda_zip: Option<PathBuf>,
    /// The hosts' package, as `make package` leaves it
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
    /// The runner's image: an OCI layout as `make runner-image` leaves it, which is pushed, or one that is there
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

/// Artifacts that Terraform can be told of. Nothing of them has left this machine.
pub(super) struct Prepared {
    /// The file of runtime's variables that name them.
    pub(super) variables: PathBuf,
    /// The runner's image, where it stands on this machine.
    image: Option<Image>,
}

impl Prepared {
    /// The runner's image, unless its repository has it.
    pub(super) async fn image_to_push(&self, environment: &Environment) -> Result<Option<&Image>, Error> {
        match &self.image {
            Some(image) if !image.is_there(environment).await? => Ok(Some(image)),
            _ => Ok(None),
        }
    }
}

impl Artifacts {
    /// Looks at all of them, and writes the variables of the runtime that name them.
    pub(super) async fn prepare(
        &self,
        environment: &Environment,
        destination: &Destination,
    ) -> Result<Prepared, Error> {
        let architecture = &environment.terraform.architecture;
        let made = || ["target/cloud", architecture, "lambda.zip"].iter().collect();
        let lambda_zip = existing(&self.lambda_zip.clone().unwrap_or_else(made), "make cloud")?;
        let host_package = existing(&self.host_package, "make package")?;
        let image = self.runner_image.strip_prefix("oci:");
        let image = image
            .map(|layout| Image::of_layout(layout, &destination.repository))
            .transpose()?;
        let runner = image
            .as_ref()
            .map_or_else(|| self.runner_image.clone(), Image::reference);
        let mut bundles = self.export(environment)?;
        bundles.extend(self.keep(environment, destination, &bundles).await?);
        let value = json!({
            "lambda_zip": lambda_zip, "host_package": host_package, "bundles": bundles, "runner_image": runner,
        });
        let variables = environment.terraform.kept("artifacts.tfvars.json")?;
        std::fs::write(&variables, value.to_string())
            .map_err(|error| Error::CouldNot(format!("{}: {error}", variables.display())))?;
        Ok(Prepared { variables, image })
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
            store::objects::fetch(&uri, &file, MAX_BUNDLE, &environment.connection).await?;
            kept.push(json!({"digest": digest.to_string(), "file": file}));
        }
        Ok(kept)
    }
}

/// A bundle's archive, by its name in the bucket.
fn archive(digest: &Digest) -> String {
    format!("{}.tar", digest.hex())
}

fn existing(file: &Path, maker: &str) -> Result<PathBuf, Error> {
    std::path::absolute(file)
        .ok()
        .filter(|file| file.is_file())
        .ok_or_else(|| Error::Refused(format!("{} is missing: `{maker}` makes it", file.display())))
}
