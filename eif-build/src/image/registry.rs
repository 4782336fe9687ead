//! Registries, by the OCI distribution protocol. What is fetched goes into the cache; what is there is not fetched.
use std::{future::Future, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use oci_client::{
    Reference,
    client::{ClientConfig, ClientProtocol},
    errors::{OciDistributionError, OciErrorCode},
    secrets::RegistryAuth,
};

use super::{
    Descriptor, Document, Error, FileRange, Image, ImageConfig, ImageRef, Manifest, check, join_layers,
    manifest::{MAX_CONFIG, MAX_MANIFEST, MEDIA_TYPES, select_platform},
};
use crate::{Options, digest::Digest};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long one document, or the next piece of a layer, may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// As many layers are fetched at once as Docker does.
const PARALLEL_LAYERS: usize = 3;

pub(super) struct Client<'a> {
    client: oci_client::Client,
    auth: RegistryAuth,
    name: &'a Reference,
    image: &'a ImageRef,
    options: &'a Options,
}

impl<'a> Client<'a> {
    pub(super) fn new(name: &'a Reference, image: &'a ImageRef, options: &'a Options) -> Result<Self, Error> {
        let registry = name.resolve_registry();
        let config = ClientConfig {
            protocol: ClientProtocol::HttpsExcept(Vec::from_iter(
                is_local(registry).then(|| registry.to_owned()),
            )),
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(ANSWER_TIMEOUT),
            user_agent: concat!("treza-eif/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client =
            oci_client::Client::try_from(config).map_err(|error| translate(error, image, registry))?;
        let auth = options.credentials.for_registry(registry)?;
        Ok(Self {
            client,
            auth,
            name,
            image,
            options,
        })
    }

    /// The image's digest and manifest.
    pub(super) async fn manifest(&self) -> Result<(Digest, Manifest), Error> {
        let (digest, document) = self.document(self.image.digest()).await?;
        match document {
            Document::Manifest(manifest) => Ok((digest, manifest)),
            Document::Index(index) => match self.document(Some(&select_platform(&index)?.digest)).await? {
                (digest, Document::Manifest(manifest)) => Ok((digest, manifest)),
                (_, Document::Index(_)) => Err(Error::Malformed {
                    what: "index",
                    problem: "an index within an index".into(),
                }),
            },
        }
    }

    pub(super) async fn image(&self) -> Result<Image, Error> {
        self.within(self.options.timeout, self.fetch()).await
    }

    async fn fetch(&self) -> Result<Image, Error> {
        let (digest, manifest) = self.manifest().await?;
        manifest.check_limits(&self.options.limits)?;
        self.client
            .store_auth_if_needed(self.name.resolve_registry(), &self.auth)
            .await;
        let json = self.blob(&manifest.config).await?.read(MAX_CONFIG)?;
        check("the image's configuration", &json, &manifest.config.digest)?;
        let config = ImageConfig::parse(&json)?;
        // Gathered first, so that the future can be sent between threads (a closure in the stream's `map` cannot).
        let fetches: Vec<_> = manifest.layers.iter().map(|layer| self.blob(layer)).collect();
        let ranges: Vec<FileRange> = stream::iter(fetches)
            .buffered(PARALLEL_LAYERS)
            .try_collect()
            .await?;
        let ranges = manifest.layers.iter().map(|layer| Some(layer.digest)).zip(ranges);
        let layers = join_layers(ranges, &config)?;
        Ok(Image {
            digest,
            config,
            layers,
        })
    }

    /// A manifest or index with its digest: the one named, else the one that the tag has now.
    async fn document(&self, digest: Option<&Digest>) -> Result<(Digest, Document), Error> {
        if let Some(digest) = digest
            && let Some(json) = self.options.cache.read(digest, MAX_MANIFEST)
        {
            return Ok((*digest, Document::parse(&json)?));
        }
        let name = match digest {
            Some(digest) => self.name.clone_with_digest(digest.to_string()),
            None => self.name.clone(),
        };
        let answer = self.within(ANSWER_TIMEOUT, async {
            let pull = self.client.pull_manifest_raw(&name, &self.auth, &MEDIA_TYPES);
            pull.await.map_err(|error| self.translate(error))
        });
        let (json, _) = answer.await?;
        let found = Digest::of(&json);
        if let Some(&expected) = digest.filter(|expected| **expected != found) {
            return Err(Error::WrongDigest {
                what: "the image's manifest",
                expected,
                found,
            });
        }
        let document = Document::parse(&json)?;
        self.options.cache.put(&found, &json)?;
        Ok((found, document))
    }

    async fn blob(&self, blob: &Descriptor) -> Result<FileRange, Error> {
        if let Some(range) = self.options.cache.get(&blob.digest, blob.size) {
            return Ok(range);
        }
        self.options
            .progress
            .begin(&format!("fetching {}", blob.digest), blob.size);
        // The digest alone: what a descriptor says of other addresses is not followed.
        let digest = blob.digest.to_string();
        let pieces = self.client.pull_blob_stream(self.name, digest.as_str());
        let pieces = pieces.await.map_err(|error| self.translate(error))?;
        let arrived = |bytes| self.options.progress.advance(bytes);
        self.options
            .cache
            .fetch(&blob.digest, blob.size, pieces.stream, arrived)
            .await
    }

    async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let late = |_| Error::Timeout {
            image: self.image.to_string(),
            seconds: limit.as_secs(),
        };
        tokio::time::timeout(limit, work).await.map_err(late)?
    }

    fn translate(&self, error: OciDistributionError) -> Error {
        translate(error, self.image, self.name.resolve_registry())
    }
}

/// Registries of this machine are spoken to in plain HTTP, as Docker does.
fn is_local(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

fn translate(error: OciDistributionError, image: &ImageRef, registry: &str) -> Error {
    let image = image.to_string();
    let cause = contract::fault::printable(&chain(&error), 500);
    match error {
        OciDistributionError::RequestError(error) if error.status().is_none() => Error::Unreachable {
            registry: registry.to_owned(),
            cause,
        },
        OciDistributionError::ImageManifestNotFoundError(_)
        | OciDistributionError::ServerError { code: 404, .. } => Error::NotFound { image, cause },
        OciDistributionError::UnauthorizedError { .. }
        | OciDistributionError::AuthenticationFailure(_)
        | OciDistributionError::ServerError { code: 401 | 403, .. } => Error::Unauthorized { image, cause },
        OciDistributionError::RegistryError { envelope, .. } => {
            match envelope.errors.first().map(|error| &error.code) {
                Some(
                    OciErrorCode::ManifestUnknown
                    | OciErrorCode::NameUnknown
                    | OciErrorCode::NotFound
                    | OciErrorCode::BlobUnknown
                    | OciErrorCode::ManifestBlobUnknown,
                ) => Error::NotFound { image, cause },
                Some(OciErrorCode::Unauthorized | OciErrorCode::Denied) => {
                    Error::Unauthorized { image, cause }
                }
                _ => Error::Registry { image, cause },
            }
        }
        _ => Error::Registry { image, cause },
    }
}

/// An error with its causes: what reqwest says alone does not name the reason.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
