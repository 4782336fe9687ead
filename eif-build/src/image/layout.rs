//! The OCI image layout (image-layout.md of the OCI image specification): a folder or archive with `index.json` and
//! `blobs/sha256/<hex>`.
use super::{
    Descriptor, Document, Error, Image, ImageConfig, ImageRef, Location, Manifest, check,
    files::{FileRange, Files},
    join_layers,
    manifest::{MAX_CONFIG, MAX_MANIFEST, select_platform},
};
use crate::{digest::Digest, rootfs::Limits};

/// The annotation with an image's name in a layout's index.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

pub(super) struct Layout<'a> {
    files: Files,
    image: &'a ImageRef,
    tag: Option<&'a str>,
}

/// Opens the layout that a reference names.
pub(super) fn open(image: &ImageRef) -> Result<Layout<'_>, Error> {
    let (files, tag) = match image.location() {
        Location::OciDir { path, tag } => (Files::folder(path), tag),
        Location::OciArchive { path, tag } => (Files::archive(path)?, tag),
        Location::Registry(_) | Location::DockerArchive { .. } => {
            return Err(Error::Reference(image.to_string(), "not an OCI layout".into()));
        }
    };
    Ok(Layout {
        files,
        image,
        tag: tag.as_deref(),
    })
}

impl Layout<'_> {
    /// The image's digest and manifest.
    pub(super) fn manifest(&self) -> Result<(Digest, Manifest), Error> {
        let start = match self.image.digest() {
            Some(digest) => *digest,
            None => self.choose()?.digest,
        };
        match self.document(&start)? {
            Document::Manifest(manifest) => Ok((start, manifest)),
            Document::Index(index) => {
                let digest = select_platform(&index)?.digest;
                match self.document(&digest)? {
                    Document::Manifest(manifest) => Ok((digest, manifest)),
                    Document::Index(_) => Err(malformed("an index within an index")),
                }
            }
        }
    }

    pub(super) fn image(&self, limits: &Limits) -> Result<Image, Error> {
        let (digest, manifest) = self.manifest()?;
        manifest.check_limits(limits)?;
        let json = self.blob(&manifest.config.digest)?.read(MAX_CONFIG)?;
        check("the image's configuration", &json, &manifest.config.digest)?;
        let config = ImageConfig::parse(&json)?;
        let ranges = manifest
            .layers
            .iter()
            .map(|layer| Ok((Some(layer.digest), self.blob(&layer.digest)?)));
        let ranges = ranges.collect::<Result<Vec<_>, Error>>()?;
        let layers = join_layers(ranges.into_iter(), &config)?;
        Ok(Image {
            digest,
            config,
            layers,
            in_use: None,
        })
    }

    /// The entry of the layout's index that the reference means.
    fn choose(&self) -> Result<Descriptor, Error> {
        let json = self.files.need("index.json")?.read(MAX_MANIFEST)?;
        let Document::Index(mut index) = Document::parse(&json)? else {
            return Err(malformed("index.json is not an index"));
        };
        if let Some(tag) = self.tag {
            let has_name = |entry: &Descriptor| {
                entry
                    .annotations
                    .as_ref()
                    .and_then(|all| all.get(REF_NAME))
                    .is_some_and(|name| name == tag)
            };
            index.retain(has_name);
        }
        match (&index[..], self.tag) {
            ([entry], _) => Ok(entry.clone()),
            ([], _) => Err(Error::NotFound {
                image: self.image.to_string(),
                cause: "not in the layout's index".into(),
            }),
            (entries, None) if entries.iter().any(|entry| entry.platform.is_some()) => {
                select_platform(entries).cloned()
            }
            _ => Err(malformed(
                "its index has several images; name one as oci:DIR:NAME or by digest",
            )),
        }
    }

    fn document(&self, digest: &Digest) -> Result<Document, Error> {
        let json = self.blob(digest)?.read(MAX_MANIFEST)?;
        check("the image's manifest", &json, digest)?;
        Document::parse(&json)
    }

    fn blob(&self, digest: &Digest) -> Result<FileRange, Error> {
        self.files.need(&format!("blobs/sha256/{}", digest.hex()))
    }
}

fn malformed(problem: &str) -> Error {
    Error::Malformed {
        what: "index",
        problem: problem.into(),
    }
}
