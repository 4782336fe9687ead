//! The arguments, as users and scripts write them.
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use eif_build::{
    ImageRef, Options,
    digest::Digest,
    image::{Cache, Credentials},
};

use super::bundle_arguments::{BundleCommand, StoreFolder};

/// Enclave image files (EIF) from container images.
#[derive(Parser)]
#[command(version)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
    /// Print JSON on standard output; `nitro-cli`: exactly as nitro-cli prints it
    #[arg(long, global = true, value_name = "SHAPE", num_args = 0..=1, require_equals = true, default_missing_value = "treza")]
    pub(super) json: Option<Json>,
}

/// The shape of JSON.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Json {
    /// All that there is to say
    Treza,
    /// What nitro-cli says, and nothing else
    NitroCli,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Write the EIF of an image, or of a kernel, a command line and ramdisks
    Build(Box<Build>),
    /// Compute what the EIF of an image measures, without writing it
    Measure(Source),
    /// Say what an EIF holds; a damaged one is described too, and exits with 2
    Describe(Eif),
    /// Sign an EIF, in place of a signature that it may have
    Sign(Sign),
    /// Verify an EIF's structure, CRC and signature, its certificate's dates, and that what was signed is its PCR0
    Verify(Eif),
    /// Write an EIF's sections and its root file system into a folder
    Extract(Extract),
    /// Say why two EIFs or images differ; exits with 3 if they do
    Diff(Box<Diff>),
    /// Make, list, show, carry and remove bundles: kernel, command line and boot ramdisk with the agent
    #[command(subcommand)]
    Bundle(BundleCommand),
    /// List and remove what was fetched of registries
    #[command(subcommand)]
    Cache(CacheCommand),
}

impl Command {
    /// Whether nitro-cli has such a command, and so a shape for what it prints.
    pub(super) fn is_nitro_clis(&self) -> bool {
        matches!(
            self,
            Self::Build(_) | Self::Measure(_) | Self::Describe(_) | Self::Sign(_)
        )
    }
}

#[derive(Args)]
pub(super) struct Build {
    /// The image: registry/name:tag, registry/name@sha256:…, oci:DIR, oci-archive:FILE or docker-archive:FILE
    #[arg(
        long,
        value_name = "REF",
        required_unless_present = "kernel",
        conflicts_with = "kernel"
    )]
    pub(super) image: Option<ImageRef>,
    /// A kernel, instead of an image and a bundle
    #[arg(long, value_name = "FILE", requires = "cmdline", requires = "ramdisk")]
    pub(super) kernel: Option<PathBuf>,
    /// The kernel's command line
    #[arg(long, value_name = "TEXT", requires = "kernel")]
    pub(super) cmdline: Option<String>,
    /// A ramdisk; may be given several times
    #[arg(long, value_name = "FILE", requires = "kernel")]
    pub(super) ramdisk: Vec<PathBuf>,
    /// Where the EIF is written
    #[arg(long, value_name = "FILE")]
    pub(super) output: PathBuf,
    #[command(flatten)]
    pub(super) folders: Folders,
    /// Compress the application's ramdisk with zstd; PCR0 and PCR2 are others then
    #[arg(long, conflicts_with = "kernel")]
    pub(super) compress: bool,
    /// The image's name in the metadata
    #[arg(long)]
    pub(super) name: Option<String>,
    /// The image's version in the metadata
    #[arg(long, default_value = "1.0")]
    pub(super) image_version: String,
    /// The build time in the metadata, RFC 3339 [default: SOURCE_DATE_EPOCH, else 1970]
    #[arg(long, value_name = "RFC3339")]
    pub(super) build_time: Option<String>,
    /// Sign with this certificate, PEM
    #[arg(long, value_name = "PEM", requires = "private_key")]
    pub(super) signing_certificate: Option<PathBuf>,
    /// The certificate's private key, PEM, or the ARN of a key in AWS KMS
    #[arg(long, value_name = "PEM|ARN", requires = "signing_certificate")]
    pub(super) private_key: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Source {
    /// The image
    #[arg(long, value_name = "REF")]
    pub(super) image: ImageRef,
    #[command(flatten)]
    pub(super) folders: Folders,
    /// As `build --compress` would build it
    #[arg(long)]
    pub(super) compress: bool,
}

#[derive(Args)]
pub(super) struct Folders {
    /// The bundle: its digest, or its folder [default: the store's default]
    #[arg(long, value_name = "DIGEST|FILE")]
    pub(super) bundle: Option<String>,
    #[command(flatten)]
    pub(super) store: StoreFolder,
    #[command(flatten)]
    pub(super) cache: CacheFolder,
}

#[derive(Args)]
pub(super) struct CacheFolder {
    /// Where fetched images are kept [default: `treza` in $XDG_CACHE_HOME or ~/.cache]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// How many MiB of them are kept; what was used least recently goes first
    #[arg(long, value_name = "MIB", default_value_t = Cache::DEFAULT_LIMIT >> 20)]
    cache_limit: u64,
}

#[derive(Args)]
pub(super) struct Eif {
    /// The EIF
    pub(super) file: PathBuf,
}

#[derive(Args)]
pub(super) struct Sign {
    /// The EIF
    pub(super) file: PathBuf,
    /// The certificate, PEM, with a key on P-256, P-384 or P-521
    #[arg(long, value_name = "PEM")]
    pub(super) signing_certificate: PathBuf,
    /// The certificate's private key, PEM (SEC1 or PKCS#8), or the ARN of a key in AWS KMS
    #[arg(long, value_name = "PEM|ARN")]
    pub(super) private_key: PathBuf,
    /// Where the signed EIF is written [default: over the EIF]
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Extract {
    /// The EIF
    pub(super) file: PathBuf,
    /// The folder, which does not exist or is empty
    #[arg(long, value_name = "DIR")]
    pub(super) output: PathBuf,
    /// Also the root file system as a folder `rootfs`, all the caller's own: without devices and set-id bits
    #[arg(long)]
    pub(super) rootfs: bool,
    /// Also the root file system as `rootfs.tar`, with owners, modes and devices
    #[arg(long)]
    pub(super) rootfs_tar: bool,
}

#[derive(Args)]
pub(super) struct Diff {
    /// An EIF, or an image as `build --image` names it, which is built first
    pub(super) a: String,
    /// What it is compared with
    pub(super) b: String,
    #[command(flatten)]
    pub(super) folders: Folders,
}

#[derive(Subcommand)]
pub(super) enum CacheCommand {
    /// List the cached blobs, that which was used least recently first
    List(CacheFolder),
    /// Remove what was used least recently, until the rest is within the limit
    Prune(CacheFolder),
    /// Remove everything
    Clear(CacheFolder),
}

impl CacheFolder {
    pub(super) fn open(&self) -> Cache {
        let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
        let base = || {
            std::env::var_os("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .or_else(home)
        };
        let folder = self
            .cache
            .clone()
            .or_else(|| Some(base()?.join("treza")))
            .unwrap_or_else(|| ".treza-cache".into());
        Cache::new(folder).with_limit(self.cache_limit.saturating_mul(1 << 20))
    }
}

impl Folders {
    pub(super) fn options(&self) -> Options {
        Options {
            credentials: Credentials::docker_default(),
            ..Options::new(self.cache.open())
        }
    }

    /// The bundle that is meant: by digest, by folder, or the store's default.
    pub(super) fn open_bundle(&self) -> Result<eif_build::bundle::Bundle, eif_build::bundle::Error> {
        let store = self.store.open();
        let Some(name) = &self.bundle else {
            return store.open(&store.default_digest()?);
        };
        match name.parse::<Digest>() {
            Ok(digest) => store.open(&digest),
            Err(_) => {
                let path = Path::new(name);
                let folder = if path.is_file() {
                    path.parent().unwrap_or(path)
                } else {
                    path
                };
                eif_build::bundle::Bundle::open(folder)
            }
        }
    }
}
