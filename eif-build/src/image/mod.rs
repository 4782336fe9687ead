//! Images: where they come from, and their manifests, configurations and layers, each checked against its digest.
//!
//! *The* image digest is the digest of the linux/amd64 manifest. A reference may also name a multi-platform index by its
//! digest; it resolves to the manifest that the index has for linux/amd64. A Docker archive has no manifest: there it is
//! the digest of the configuration, Docker's image id.
mod cache;
mod credentials;
mod docker;
mod files;
mod layout;
mod manifest;
mod reference;
mod registry;

pub use cache::{Blob, Cache, InUse};
pub use credentials::Credentials;
pub use files::FileRange;
pub use manifest::{Config, Descriptor, Document, ImageConfig, Manifest};
pub use reference::{ImageRef, Location};

use std::{io, path::PathBuf, sync::Arc};

use crate::{Options, digest::Digest};

/// An image whose layers are all on this machine. The layers' own digests are checked when they are unpacked.
#[derive(Debug, Clone)]
pub struct Image {
    /// The image's digest.
    pub digest: Digest,
    /// Its configuration.
    pub config: ImageConfig,
    /// Its layers, lowest first.
    pub layers: Vec<Layer>,
    /// Keeps the layers in the cache, if they are there.
    pub in_use: Option<Arc<InUse>>,
}

/// A layer on this machine.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The digest of its bytes, where a manifest says it.
    pub digest: Option<Digest>,
    /// The digest of its bytes without their compression.
    pub diff_id: Digest,
    /// Where its bytes are.
    pub bytes: FileRange,
}

/// Why an image is refused or cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A reference that is not one.
    #[error(
        "{0:?} is not an image reference: {1}; write registry/name:tag, registry/name@sha256:…, oci:DIR, oci-archive:FILE or docker-archive:FILE"
    )]
    Reference(String, String),
    /// The registry, or a server that it points to, cannot be reached.
    #[error("cannot reach {server}: {cause}; check its name and the network")]
    Unreachable {
        /// Which, with its host and port: `the registry 127.0.0.1:5000`.
        server: String,
        /// What the network said.
        cause: String,
    },
    /// The image is not there.
    #[error("{image}: no such image ({cause}); check name and tag")]
    NotFound {
        /// The reference.
        image: String,
        /// What said so.
        cause: String,
    },
    /// The registry wants other credentials.
    #[error(
        "{image}: the registry refuses access; log in with `docker login`, or check the credentials ({cause})"
    )]
    Unauthorized {
        /// The reference.
        image: String,
        /// What the registry said.
        cause: String,
    },
    /// Another answer of the registry.
    #[error("{image}: the registry's answer is not usable: {cause}")]
    Registry {
        /// The reference.
        image: String,
        /// What is wrong with it.
        cause: String,
    },
    /// It took too long.
    #[error("{image}: not fetched within {seconds} s; try again, what was fetched whole is kept")]
    Timeout {
        /// The reference.
        image: String,
        /// The limit.
        seconds: u64,
    },
    /// Something has another digest than what names it.
    #[error("{what} has the digest {found} instead of {expected}; it is damaged or was exchanged")]
    WrongDigest {
        /// Manifest, configuration or layer.
        what: &'static str,
        /// The digest that names it.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// Something is larger or smaller than what names it says.
    #[error("{what} has {found} bytes instead of {expected}; it is damaged or was exchanged")]
    WrongSize {
        /// Manifest, configuration or layer.
        what: &'static str,
        /// The bytes that are said.
        expected: u64,
        /// The bytes that there are.
        found: u64,
    },
    /// A document that breaks its format.
    #[error("the image's {what} is not usable: {problem}")]
    Malformed {
        /// Manifest, index or configuration.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// An index without the platform.
    #[error("the image has no linux/amd64 variant, only: {0}")]
    Platform(String),
    /// More than is allowed.
    #[error("the image has {what}: more than allowed; raise the limit if that is meant")]
    TooLarge {
        /// What there is too much of.
        what: String,
    },
    /// Credentials cannot be had.
    #[error("{origin}: {problem}")]
    Credentials {
        /// Where from: Docker's configuration, or the registry.
        origin: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The cache is in use.
    #[error("{}: an image of this cache is being fetched or built; try again when that is done", path.display())]
    InUse {
        /// The cache's folder.
        path: PathBuf,
    },
    /// The cache's folder cannot be made.
    #[error("{}: {source}; fetched images are kept there: name another folder with --cache, or set HOME", path.display())]
    CacheFolder {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

/// The digest of the image that a reference names now. Of a registry only manifests are fetched.
pub async fn resolve(image: &ImageRef, options: &Options) -> Result<Digest, Error> {
    match image.location() {
        Location::Registry(name) => {
            let client = registry::Client::new(name, image, options).await?;
            Ok(client.manifest().await?.0)
        }
        Location::OciDir { .. } | Location::OciArchive { .. } => Ok(layout::open(image)?.manifest()?.0),
        Location::DockerArchive { path } => {
            docker::open(path, image, &options.limits).map(|image| image.digest)
        }
    }
}

/// The bytes of all that the manifest of an image names; of `docker save`'s archive, those of the file.
pub async fn weigh(image: &ImageRef, options: &Options) -> Result<u64, Error> {
    let manifest = match image.location() {
        Location::Registry(name) => {
            let client = registry::Client::new(name, image, options).await?;
            client.manifest().await?.1
        }
        Location::OciDir { .. } | Location::OciArchive { .. } => layout::open(image)?.manifest()?.1,
        Location::DockerArchive { path } => {
            let metadata = std::fs::metadata(path);
            return metadata
                .map(|metadata| metadata.len())
                .map_err(|source| Error::File {
                    path: path.clone(),
                    source,
                });
        }
    };
    let sizes = manifest.blobs().into_iter().map(|blob| blob.size);
    Ok(sizes.fold(0, u64::saturating_add))
}

/// Brings an image onto this machine: what a registry has is fetched into the cache, what is there already is not.
pub async fn open(image: &ImageRef, options: &Options) -> Result<Image, Error> {
    match image.location() {
        Location::Registry(name) => {
            let client = registry::Client::new(name, image, options).await?;
            client.image().await
        }
        Location::OciDir { .. } | Location::OciArchive { .. } => layout::open(image)?.image(&options.limits),
        Location::DockerArchive { path } => docker::open(path, image, &options.limits),
    }
}

/// Holds bytes against the digest that names them.
fn check(what: &'static str, bytes: &[u8], expected: &Digest) -> Result<(), Error> {
    let found = Digest::of(bytes);
    if found == *expected {
        Ok(())
    } else {
        Err(Error::WrongDigest {
            what,
            expected: *expected,
            found,
        })
    }
}

/// Holds a size against the one that is said.
fn check_size(what: &'static str, found: u64, expected: u64) -> Result<(), Error> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::WrongSize {
            what,
            expected,
            found,
        })
    }
}

/// Joins the layers of a manifest with the diff_ids of its configuration.
fn join_layers(
    blobs: impl ExactSizeIterator<Item = (Option<Digest>, FileRange)>,
    config: &ImageConfig,
) -> Result<Vec<Layer>, Error> {
    let (layers, diff_ids) = (blobs.len(), config.rootfs.diff_ids.len());
    if layers != diff_ids {
        let problem = format!("it has {diff_ids} diff_ids for {layers} layers");
        return Err(Error::Malformed {
            what: "configuration",
            problem,
        });
    }
    let join = |((digest, bytes), diff_id): ((_, _), &Digest)| Layer {
        digest,
        diff_id: *diff_id,
        bytes,
    };
    Ok(blobs.zip(&config.rootfs.diff_ids).map(join).collect())
}
