//! Images made for tests: layers by the tar crate, in folders of the OCI image layout.
#![allow(dead_code)] // Each test program uses some of it.

pub(crate) mod eif;
pub(crate) mod workshop;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use eif_build::{
    ImageRef, Options,
    bundle::{Bundle, Machine},
    digest::Digest,
    image::Cache,
};
use tar::{Builder, EntryType, Header};

/// A layer in the making.
pub(crate) struct Layer(Builder<Vec<u8>>);

impl Layer {
    pub(crate) fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    pub(crate) fn file(self, path: &str, content: &[u8]) -> Self {
        self.entry(path, EntryType::Regular, 0o644, "", content)
    }

    pub(crate) fn directory(self, path: &str) -> Self {
        self.entry(path, EntryType::Directory, 0o755, "", b"")
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(path, EntryType::Symlink, 0o777, target, b"")
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        self.entry(path, EntryType::Link, 0o644, target, b"")
    }

    /// The path is written as it is, however hostile.
    pub(crate) fn entry(
        mut self,
        path: &str,
        kind: EntryType,
        mode: u32,
        target: &str,
        content: &[u8],
    ) -> Self {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(1000);
        header.set_gid(100);
        header.set_mtime(1_700_000_000);
        header.set_size(content.len() as u64);
        if matches!(kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        }
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    /// Pax records for the entry that follows.
    pub(crate) fn pax<'a>(mut self, records: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        self.0.append_pax_extensions(records).unwrap();
        self
    }

    pub(crate) fn tar(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 3).unwrap()
}

/// How a layer is stored.
pub(crate) type Pack = fn(&[u8]) -> Vec<u8>;

pub(crate) fn plain(tar: &[u8]) -> Vec<u8> {
    tar.to_vec()
}

/// Writes an image of these layers into `folder`; `config` is the inside of the configuration's `config` object.
pub(crate) fn oci_image(folder: &Path, layers: &[(Vec<u8>, Pack)], config: &str) -> ImageRef {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        fs::write(blobs.join(digest.hex()), bytes).unwrap();
        (digest, bytes.len())
    };
    let diff_ids: Vec<_> = layers
        .iter()
        .map(|(tar, _)| format!("\"{}\"", Digest::of(tar)))
        .collect();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{{config}}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        diff_ids.join(",")
    );
    let (config, config_size) = put(config.as_bytes());
    let layers: Vec<_> = layers
        .iter()
        .map(|(tar, pack)| {
            let (digest, size) = put(&pack(tar));
            format!(r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest}","size":{size}}}"#)
        })
        .collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":{config_size}}},"layers":[{}]}}"#,
        layers.join(",")
    );
    let (digest, size) = put(manifest.as_bytes());
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":{size}}}]}}"#
    );
    fs::write(folder.join("index.json"), index).unwrap();
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    format!("oci:{}", folder.display()).parse().unwrap()
}

/// An image of one file, in `folder`/image.
pub(crate) fn small_image(folder: &Path) -> ImageRef {
    oci_image(
        &folder.join("image"),
        &[(Layer::new().file("a", b"content").tar(), gzip)],
        r#""Cmd":["/a"]"#,
    )
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

pub(crate) fn bundle() -> Bundle {
    Bundle::new(
        vec![1; 5000],
        "console=ttyS0".into(),
        vec![2; 1024],
        Machine::Cmdline,
    )
    .unwrap()
}

pub(crate) fn options(folder: &Path) -> Options {
    Options::new(Cache::new(folder.join("cache")))
}

/// The file named by TREZA_VECTORS and `path`; says that the test is skipped if it is not set.
pub(crate) fn vector(path: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("TREZA_VECTORS");
    if folder.is_none() {
        eprintln!("skipped: TREZA_VECTORS is not set");
    }
    Some(Path::new(&folder?).join(path))
}
