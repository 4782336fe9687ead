//! From a reference to an EIF, or to what it would measure.
use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use contract::image::ImageDescription;

use crate::{
    Compression, Options,
    bundle::Bundle,
    digest::Digest,
    eif::{self, DEFAULT_BUILD_TIME, Finished, Metadata, Pcrs, SectionKind, Signer},
    error::Error,
    image::{self, Image, ImageRef},
    output::{self, write_whole},
    ramdisk::{Ramdisk, describe},
    rootfs::{self, PackedLayer, Spool, Tree},
};

/// What an image and a bundle give.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// The image's digest.
    pub image_digest: Digest,
    /// The bundle's digest.
    pub bundle: Digest,
    /// PCR 0, 1 and 2, and 8 if it is signed.
    pub pcrs: Pcrs,
    /// The EIF's size in bytes.
    pub size: u64,
    /// What the agent is told of the image.
    pub description: ImageDescription,
}

/// What is written into an EIF besides image and bundle.
#[derive(Debug, Clone)]
pub struct Labels {
    /// The image's name in the metadata; the image's digest if `None`.
    pub name: Option<String>,
    /// The image's version in the metadata.
    pub version: String,
    /// When it was built, RFC 3339. It is in the metadata, which is not measured.
    pub build_time: String,
    /// Signs it.
    pub signer: Option<Arc<Signer>>,
}

impl Labels {
    fn metadata(&self, name: &str, kernel: &str) -> Metadata {
        Metadata::new(
            self.name.as_deref().unwrap_or(name),
            &self.version,
            &self.build_time,
            kernel,
        )
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self {
            name: None,
            version: "1.0".into(),
            build_time: DEFAULT_BUILD_TIME.into(),
            signer: None,
        }
    }
}

/// The digest of the image that a reference names now: of its linux/amd64 manifest (see [`crate::image`]).
pub async fn resolve(image: &ImageRef, options: &Options) -> Result<Digest, Error> {
    Ok(image::resolve(image, options).await?)
}

/// The bytes that fetching an image takes, as its manifest says. Of a registry only manifests are fetched.
pub async fn weigh(image: &ImageRef, options: &Options) -> Result<u64, Error> {
    Ok(image::weigh(image, options).await?)
}

/// What the EIF of an image and a bundle measures, without writing it.
pub async fn measure(image: &ImageRef, bundle: &Bundle, options: &Options) -> Result<Measurement, Error> {
    let image = image::open(image, options).await?;
    let (bundle, options) = (bundle.clone(), options.clone());
    blocking(move || {
        let tree = unpack(&image, &options)?;
        let labels = Labels::default();
        assemble(
            &image,
            &tree,
            &bundle,
            &labels,
            &options,
            Path::new("(measured, not written)"),
            io::empty(),
        )
    })
    .await
}

/// Writes the EIF of an image and a bundle to `output`, which appears whole or not at all.
pub async fn build(
    image: &ImageRef,
    bundle: &Bundle,
    labels: &Labels,
    options: &Options,
    output: &Path,
) -> Result<Measurement, Error> {
    let image = image::open(image, options).await?;
    let (bundle, labels, options, output) =
        (bundle.clone(), labels.clone(), options.clone(), output.to_owned());
    blocking(move || {
        let tree = unpack(&image, &options)?;
        write_whole(&output, |file| {
            assemble(&image, &tree, &bundle, &labels, &options, &output, file)
        })
    })
    .await
}

/// Writes the EIF of a kernel, a command line and ramdisks, as they are, to `output`.
pub fn build_from_files(
    kernel: &Path,
    cmdline: &str,
    ramdisks: &[PathBuf],
    labels: &Labels,
    output: &Path,
) -> Result<Pcrs, Error> {
    for input in ramdisks.iter().map(PathBuf::as_path).chain([kernel]) {
        output::refuse_same(output, input)?;
    }
    write_whole(output, |file| {
        let failed = |source| Error::Eif {
            path: output.into(),
            source,
        };
        let mut writer = eif::Writer::new(file, false).map_err(failed)?;
        copy_section(&mut writer, SectionKind::Kernel, kernel)?;
        writer
            .section(SectionKind::Cmdline, cmdline.as_bytes())
            .map_err(failed)?;
        writer
            .metadata(&labels.metadata("files", "unknown"))
            .map_err(failed)?;
        for ramdisk in ramdisks {
            copy_section(&mut writer, SectionKind::Ramdisk, ramdisk)?;
        }
        Ok(writer.finish(labels.signer.as_deref()).map_err(failed)?.pcrs)
    })
}

fn copy_section<W: Write + Seek>(
    writer: &mut eif::Writer<W>,
    kind: SectionKind,
    path: &Path,
) -> Result<(), Error> {
    let mut copy = || -> Result<(), eif::Error> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(eif::Error::Input(
                "it is no regular file, whose size is known before it is read".into(),
            ));
        }
        let size = metadata.len();
        writer.begin(kind, size)?;
        // A file that grows is noticed by one byte.
        let mut bytes = file.take(size.saturating_add(1));
        writer.copy_from(&mut bytes)?;
        match size.saturating_add(1) - bytes.limit() {
            read if read == size => Ok(()),
            read => Err(eif::Error::Input(format!(
                "it had {size} bytes at first, and {read} or more when it was read: it changes"
            ))),
        }
    };
    copy().map_err(|source| Error::Eif {
        path: path.into(),
        source,
    })
}

fn unpack(image: &Image, options: &Options) -> Result<Tree, Error> {
    let spool = Spool::new_in(options.cache.folder()?).map_err(rootfs::Error::Io)?;
    let layers = image.layers.iter().map(|layer| {
        options
            .progress
            .begin(&format!("unpacking {}", layer.diff_id), layer.bytes.size);
        let bytes = Told {
            inner: layer.bytes.open()?,
            options,
        };
        Ok(PackedLayer {
            bytes,
            digest: layer.digest,
            diff_id: layer.diff_id,
        })
    });
    rootfs::apply(layers, Tree::new(spool), &options.limits).map_err(|error| {
        // Damaged in the cache: the next attempt fetches it again.
        if let rootfs::Error::Digest { expected, .. } | rootfs::Error::DiffId { expected, .. } = &error {
            let damaged = image
                .layers
                .iter()
                .filter(|layer| layer.diff_id == *expected || layer.digest == Some(*expected));
            damaged
                .filter_map(|layer| layer.digest)
                .for_each(|digest| options.cache.forget(&digest));
        }
        Error::Rootfs(error)
    })
}

fn assemble<W: Write + Seek>(
    image: &Image,
    tree: &Tree,
    bundle: &Bundle,
    labels: &Labels,
    options: &Options,
    path: &Path,
    output: W,
) -> Result<Measurement, Error> {
    bundle.check_builder()?;
    let description = describe(image, tree)?;
    let ramdisk = Ramdisk::new(tree, &description)?;
    let compressed = match options.compression {
        Compression::None => None,
        Compression::Zstd => {
            options.progress.begin("compressing the ramdisk", 0);
            let folder = options.cache.folder()?;
            Some(ramdisk.compressed_in(folder).map_err(rootfs::Error::Io)?)
        }
    };
    let size = compressed.as_ref().map_or(ramdisk.size(), |(_, size)| *size);
    options.progress.begin("writing the enclave image", size);
    let write = || -> Result<Finished<W>, eif::Error> {
        let mut writer = eif::Writer::new(output, false)?;
        writer.section(SectionKind::Kernel, &bundle.kernel)?;
        writer.section(SectionKind::Cmdline, bundle.cmdline.as_bytes())?;
        let kernel = bundle.manifest().kernel.to_string();
        writer.metadata(&labels.metadata(&image.digest.to_string(), &kernel))?;
        writer.section(SectionKind::Ramdisk, &bundle.boot)?;
        writer.begin(SectionKind::Ramdisk, size)?;
        let mut told = Told {
            inner: &mut writer,
            options,
        };
        match compressed {
            None => ramdisk.write(told)?,
            Some((mut file, _)) => io::copy(&mut file, &mut told).map(drop)?,
        }
        writer.finish(labels.signer.as_deref())
    };
    let Finished { pcrs, size, .. } = write().map_err(|source| Error::Eif {
        path: path.into(),
        source,
    })?;
    Ok(Measurement {
        image_digest: image.digest,
        bundle: bundle.digest(),
        pcrs,
        size,
        description,
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Interrupted(error.to_string()))?
}

/// Tells the progress how many bytes pass.
struct Told<'a, T> {
    inner: T,
    options: &'a Options,
}

impl<R: io::Read> io::Read for Told<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.options.progress.advance(count as u64);
        Ok(count)
    }
}

impl<W: Write> Write for Told<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.options.progress.advance(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
