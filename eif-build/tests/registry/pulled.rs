//! What becomes of a small image that is asked of a server.
use std::path::Path;

use eif_build::{
    Error, ImageRef, Options,
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
