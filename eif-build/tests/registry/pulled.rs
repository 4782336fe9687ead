//! What becomes of a small image that is asked of a server.
use std::{
    path::Path,
    process::{Command, Output},
};

use eif_build::{
    Error, ImageRef, Options,
    bundle::Store,
    digest::Digest,
    image::{self, Credentials},
};
use tempfile::{TempDir, tempdir};

use crate::{
    common::{block_on, bundle, options, small_image},
    server::image_at,
};

/// The error that a tag's resolution ends in.
pub(crate) fn refusal(image: &ImageRef, credentials: Credentials) -> image::Error {
    let folder = tempdir().unwrap();
    let options = Options {
        credentials,
        ..options(folder.path())
    };
    match block_on(eif_build::resolve(image, &options)).unwrap_err() {
        Error::Image(error) => error,
        other => panic!("{other}"),
    }
}

pub(crate) fn anonymous(address: &str) -> image::Error {
    refusal(&image_at(address), Credentials::Anonymous)
}

/// An image's folder and digest, and the folder that it is fetched into.
pub(crate) fn image() -> (TempDir, Digest) {
    let folder = tempdir().unwrap();
    let local = small_image(folder.path());
    let digest = block_on(eif_build::resolve(&local, &options(folder.path()))).unwrap();
    (folder, digest)
}

pub(crate) fn measure(address: &str, folder: &Path, credentials: Credentials) -> Result<Digest, Error> {
    let options = Options {
        credentials,
        ..options(folder)
    };
    block_on(eif_build::measure(&image_at(address), &bundle(), &options))
        .map(|measured| measured.image_digest)
}

/// `treza-eif measure`, with these variables and no other of a proxy or of certificates.
pub(crate) fn measure_by_command(image: &str, folder: &Path, environment: &[(&str, &str)]) -> Output {
    let store = Store::new(folder.join("bundles"));
    store.put(&bundle()).unwrap();
    store.set_default(&bundle().digest()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_treza-eif"));
    for name in ["HTTP", "HTTPS", "ALL", "NO"].map(|name| format!("{name}_PROXY")) {
        command.env_remove(name.to_lowercase()).env_remove(name);
    }
    command
        .args(["measure", "--json", "--image", image, "--bundles"])
        .arg(folder.join("bundles"))
        .arg("--cache")
        .arg(folder.join("fetched"))
        .env("DOCKER_CONFIG", folder)
        .env_remove("SSL_CERT_DIR")
        .env_remove("SSL_CERT_FILE")
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}
