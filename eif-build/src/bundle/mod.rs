//! Bundles: what an EIF has besides the application, content-addressed.
//!
//! A bundle is a kernel, its command line and a boot ramdisk with the agent, made for one version of the builder's
//! format. Its digest is over a canonical manifest with the SHA-256 of each part, so an image digest and a bundle digest
//! together determine an EIF's every measured byte.
mod archive;
mod boot;
mod kernel;
mod manifest;
mod nitro;
mod store;

pub use boot::BootRamdisk;
pub use kernel::version as kernel_version;
pub use manifest::{Manifest, ManifestFormat};
pub use nitro::Blobs;
pub use store::Store;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    digest::{Digest, DigestError},
    eif::Pcr,
    output,
};

/// The version of what this builder makes of an image: the application ramdisk's layout and order. It goes up whenever
/// the same image and bundle would give other measured bytes.
pub const BUILDER_FORMAT: u32 = 1;
/// The largest part of a bundle, in bytes.
const MAX_PART: u64 = 256 << 20;
const MAX_MANIFEST: u64 = 4096;
/// The parts' names: manifest, kernel, command line, boot ramdisk.
const PARTS: [&str; 4] = ["manifest.json", "kernel", "cmdline", "boot.cpio"];

/// How the kernel finds its devices, and so which machine boots it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Machine {
    /// ACPI off, devices on the command line, as on Nitro: our own kernel, and AWS's.
    Cmdline,
    /// Devices in ACPI's tables: Debian's kernel.
    Acpi,
}

/// A bundle in memory, each part checked against the digest in the manifest.
#[derive(Debug, Clone)]
pub struct Bundle {
    manifest: Manifest,
    /// The kernel's bytes.
    pub kernel: Vec<u8>,
    /// The command line.
    pub cmdline: String,
    /// The boot ramdisk's bytes.
    pub boot: Vec<u8>,
}

/// Why a bundle cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the bundle, or for it, cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The file that it would be carried in.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// The store does not hold it.
    #[error("no bundle {digest} in {}; make it with `treza-eif bundle create`, or name the store with --bundles", store.display())]
    Unknown {
        /// The bundle's digest.
        digest: Digest,
        /// The store's folder.
        store: PathBuf,
    },
    /// The store has no default.
    #[error("no bundle is named, and {} names no default; make one with `treza-eif bundle create --default`", .0.display())]
    NoDefault(PathBuf),
    /// The file that names the default does not hold a digest.
    #[error("{}: {source}", path.display())]
    Default {
        /// The file.
        path: PathBuf,
        /// What it holds.
        source: DigestError,
    },
    /// A part is not what the manifest, or the manifest not what the folder's name says.
    #[error("{}: it has the digest {found} instead of {expected}; the bundle is damaged: remove its folder and make it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The digest that it should have.
        expected: Digest,
        /// The digest that it has.
        found: Digest,
    },
    /// The manifest is not sound.
    #[error("{}: {problem}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The file is not an exported bundle.
    #[error("{}: not an exported bundle: {problem}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A folder does not hold AWS's blobs.
    #[error("{}: {problem}", folder.display())]
    Blobs {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        problem: &'static str,
    },
    /// It was made for another builder.
    #[error(
        "bundle {digest} is for the builder's format {found}, this builder makes {BUILDER_FORMAT}: build with the treza-eif of its time, or with another bundle"
    )]
    BuilderFormat {
        /// The bundle's digest.
        digest: Digest,
        /// The format that it is for.
        found: u32,
    },
    /// A command line that the kernel would not take.
    #[error("the command line must be at most 2047 printable ASCII characters in one line")]
    Cmdline,
}

impl Bundle {
    /// Makes a bundle of its parts.
    pub fn new(kernel: Vec<u8>, cmdline: String, boot: Vec<u8>, machine: Machine) -> Result<Self, Error> {
        // COMMAND_LINE_SIZE of Linux on x86 is 2048, with the NUL.
        if cmdline.len() > 2047 || !cmdline.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(Error::Cmdline);
        }
        let manifest = Manifest {
            format: ManifestFormat::V1,
            builder_format: BUILDER_FORMAT,
            machine,
            kernel: Digest::of(&kernel),
            cmdline: Digest::of(cmdline.as_bytes()),
            boot: Digest::of(&boot),
        };
        Ok(Self {
            manifest,
            kernel,
            cmdline,
            boot,
        })
    }

    /// Opens the bundle in a folder, and checks every part. It may be one for another builder.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        Self::from_parts(|name, limit| {
            let path = folder.join(name);
            Ok((read(&path, limit)?, path))
        })
    }

    /// A bundle of the parts that `part` gives, of at most so many bytes, and where each stands; asked for in the order of
    /// [`PARTS`].
    fn from_parts(
        mut part: impl FnMut(&'static str, u64) -> Result<(Vec<u8>, PathBuf), Error>,
    ) -> Result<Self, Error> {
        let [manifest, kernel, cmdline, boot] = PARTS;
        let (json, path) = part(manifest, MAX_MANIFEST)?;
        let manifest = Manifest::parse(&json).map_err(|problem| Error::Manifest { path, problem })?;
        let mut checked = |name, expected: Digest| {
            let (bytes, path) = part(name, MAX_PART)?;
            let found = Digest::of(&bytes);
            if found != expected {
                return Err(Error::Damaged {
                    path,
                    expected,
                    found,
                });
            }
            Ok(bytes)
        };
        let kernel = checked(kernel, manifest.kernel)?;
        let cmdline = checked(cmdline, manifest.cmdline)?;
        let boot = checked(boot, manifest.boot)?;
        let bundle = Self::new(
            kernel,
            String::from_utf8(cmdline).map_err(|_| Error::Cmdline)?,
            boot,
            manifest.machine,
        )?;
        Ok(Self { manifest, ..bundle })
    }

    /// Refuses a bundle that was made for another builder: with it, this builder would give other bytes than that one.
    pub fn check_builder(&self) -> Result<(), Error> {
        match self.manifest.builder_format {
            BUILDER_FORMAT => Ok(()),
            found => Err(Error::BuilderFormat {
                digest: self.digest(),
                found,
            }),
        }
    }

    /// The bundle's digest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest.to_json())
    }

    /// The machine that boots it.
    pub fn machine(&self) -> Machine {
        self.manifest.machine
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The parts by name, as they stand in a folder or an archive.
    fn parts(&self) -> [(&'static str, Vec<u8>); 4] {
        let [manifest, kernel, cmdline, boot] = PARTS;
        [
            (manifest, self.manifest.to_json()),
            (kernel, self.kernel.clone()),
            (cmdline, self.cmdline.clone().into_bytes()),
            (boot, self.boot.clone()),
        ]
    }

    /// PCR1 of every EIF with this bundle.
    pub fn pcr1(&self) -> Pcr {
        Pcr::of([&self.kernel[..], self.cmdline.as_bytes(), &self.boot])
    }
}

/// A whole file of at most `limit` bytes.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let attempt = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::other(format!("larger than {limit} bytes")));
        }
        Ok(bytes)
    };
    attempt().map_err(|source| Error::File {
        path: path.into(),
        source,
    })
}
