//! The OCI image layout (image-layout.md of the OCI image specification): a folder or archive with `index.json` and
//! `blobs/sha256/<hex>`.
use super::{
    Descriptor, Document, Error, Image, ImageConfig, ImageRef, Location, Manifest, check, check_size,
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
        let (start, size) = match self.image.digest() {
            Some(digest) => (*digest, None),
            None => self.choose().map(|entry| (entry.digest, Some(entry.size)))?,
        };
        match self.document(&start, size)? {
            Document::Manifest(manifest) => Ok((start, manifest)),
            Document::Index(index) => {
                let entry = select_platform(&index)?;
                match self.document(&entry.digest, Some(entry.size))? {
                    Document::Manifest(manifest) => Ok((entry.digest, manifest)),
                    Document::Index(_) => Err(malformed("an index within an index")),
                }
            }
        }
    }

    pub(super) fn image(&self, limits: &Limits) -> Result<Image, Error> {
        let (digest, manifest) = self.manifest()?;
        manifest.check_limits(limits)?;
        let what = "the image's configuration";
        let json = self.blob(what, &manifest.config)?.read(MAX_CONFIG)?;
        check(what, &json, &manifest.config.digest)?;
        let config = ImageConfig::parse(&json)?;
        let ranges = manifest
            .layers
            .iter()
            .map(|layer| Ok((Some(layer.digest), self.blob("a layer", layer)?)));
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

    /// A manifest or index of so many bytes, if something says how many.
    fn document(&self, digest: &Digest, size: Option<u64>) -> Result<Document, Error> {
        let what = "the image's manifest";
        let range = self.find(digest)?;
        check_size(what, range.size, size.unwrap_or(range.size))?;
        let json = range.read(MAX_MANIFEST)?;
        check(what, &json, digest)?;
        Document::parse(&json)
    }

    fn blob(&self, what: &'static str, blob: &Descriptor) -> Result<FileRange, Error> {
        let range = self.find(&blob.digest)?;
        check_size(what, range.size, blob.size)?;
        Ok(range)
    }

    fn find(&self, digest: &Digest) -> Result<FileRange, Error> {
        self.files.need(&format!("blobs/sha256/{}", digest.hex()))
    }
}

fn malformed(problem: &str) -> Error {
    Error::Malformed {
        what: "index",
        problem: problem.into(),
    }
}
