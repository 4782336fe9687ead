//! Registries, by the OCI distribution specification. What is fetched goes into the cache; what is there is not fetched.
mod auth;
mod problem;
mod session;

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use oci_spec::distribution::Reference;
use reqwest::Response;

use self::{
    problem::{Problem, read_bounded},
    session::Session,
};
use super::{
    Descriptor, Document, Error, FileRange, Image, ImageConfig, ImageRef, Manifest, join_layers,
    manifest::{MAX_CONFIG, MAX_MANIFEST, MEDIA_TYPES, select_platform},
};
use crate::{Options, digest::Digest};

/// How long one document, the beginning of a layer, or the next piece of it may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// As many layers are fetched at once as Docker does.
const PARALLEL_LAYERS: usize = 3;

pub(super) struct Client<'a> {
    session: Session,
    name: &'a Reference,
    image: &'a ImageRef,
    options: &'a Options,
}

impl<'a> Client<'a> {
    pub(super) async fn new(
        name: &'a Reference,
        image: &'a ImageRef,
        options: &'a Options,
    ) -> Result<Self, Error> {
        let login = options.credentials.for_registry(name.resolve_registry()).await?;
        let session = Session::new(name, login).map_err(|problem| problem.with(image))?;
        Ok(Self {
            session,
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
        let in_use = self.options.cache.enter(digest, &manifest.blobs())?;
        let config = ImageConfig::parse(&self.config(&manifest.config).await?)?;
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
            in_use: Some(Arc::new(in_use)),
        })
    }

    /// A manifest or index with its digest: the one named, else the one that the tag has now.
    async fn document(&self, digest: Option<&Digest>) -> Result<(Digest, Document), Error> {
        if let Some(digest) = digest
            && let Some(json) = self.options.cache.read(digest, MAX_MANIFEST)
        {
            return Ok((*digest, Document::parse(&json)?));
        }
        let path = match digest {
            Some(digest) => format!("manifests/{digest}"),
            None => format!("manifests/{}", self.name.tag().unwrap_or("latest")),
        };
        let answer = self.within(ANSWER_TIMEOUT, async {
            let answer = self.get(&path, &MEDIA_TYPES.join(", ")).await?;
            let json = read_bounded(answer, MAX_MANIFEST).await;
            json.map_err(|problem| problem.with(self.image))
        });
        let json = answer.await?;
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

    /// The configuration. If the cache's is damaged it is fetched again.
    async fn config(&self, config: &Descriptor) -> Result<Vec<u8>, Error> {
        let cache = &self.options.cache;
        if let Some(json) = cache.read(&config.digest, MAX_CONFIG) {
            return Ok(json);
        }
        cache.forget(&config.digest);
        self.blob(config).await?.read(MAX_CONFIG)
    }

    async fn blob(&self, blob: &Descriptor) -> Result<FileRange, Error> {
        if let Some(range) = self.options.cache.get(&blob.digest, blob.size) {
            return Ok(range);
        }
        self.options
            .progress
            .begin(&format!("fetching {}", blob.digest), blob.size);
        // The digest alone: what a descriptor says of other addresses is not followed.
        let path = format!("blobs/{}", blob.digest);
        let answer = self.within(ANSWER_TIMEOUT, self.get(&path, "*/*")).await?;
        let broken = |error| Problem::broken_off(error).with(self.image);
        let pieces = answer.bytes_stream().map_err(broken);
        let arrived = |bytes| self.options.progress.advance(bytes);
        self.options
            .cache
            .fetch(&blob.digest, blob.size, pieces, arrived)
            .await
    }

    async fn get(&self, path: &str, accept: &str) -> Result<Response, Error> {
        let answer = self.session.get(path, accept).await;
        answer.map_err(|problem| problem.with(self.image))
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
}
