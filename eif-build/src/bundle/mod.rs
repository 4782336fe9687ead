//! Bundles: what an EIF has besides the application, content-addressed.
//!
//! A bundle is a kernel, its command line and a boot ramdisk with the agent, made for one version of the builder's
//! format. Its digest is over a canonical manifest with the SHA-256 of each part, so an image digest and a bundle digest
//! together determine an EIF's every measured byte.
mod boot;
mod store;

pub use boot::BootRamdisk;
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
};

/// The version of what this builder makes of an image: the application ramdisk's layout and order. It goes up whenever
/// the same image and bundle would give other measured bytes.
pub const BUILDER_FORMAT: u32 = 1;
/// The largest part of a bundle, in bytes.
const MAX_PART: u64 = 256 << 20;
const MAX_MANIFEST: u64 = 4096;

/// How the kernel finds its devices, and so which machine boots it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Machine {
    /// ACPI off, devices on the command line, as on Nitro: our own kernel, and AWS's.
    Cmdline,
    /// Devices in ACPI's tables: Debian's kernel.
    Acpi,
}

/// A bundle's manifest; the bundle's digest is the SHA-256 of its canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// The version of the manifest.
    pub format: ManifestFormat,
    /// The version of the builder's format that the bundle is for: [`BUILDER_FORMAT`].
    pub builder_format: u32,
    /// The machine that boots it.
    pub machine: Machine,
    /// The kernel, a bzImage.
    pub kernel: Digest,
    /// The command line, without a line's end.
    pub cmdline: Digest,
    /// The boot ramdisk.
    pub boot: Digest,
}

/// The version of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManifestFormat {
    /// Version 1.
    #[serde(rename = "treza/bundle/1")]
    V1,
}

/// A bundle in memory, each part checked against the digest in the manifest.
#[derive(Debug, Clone)]
pub struct Bundle {
    digest: Digest,
    machine: Machine,
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
        let digest = Digest::of(&manifest(&kernel, &cmdline, &boot, machine).to_json());
        Ok(Self {
            digest,
            machine,
            kernel,
            cmdline,
            boot,
        })
    }

    /// Opens the bundle in a folder, and checks every part.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("manifest.json");
        let manifest = Manifest::parse(&read(&path, MAX_MANIFEST)?).map_err(|problem| Error::Manifest {
            path: path.clone(),
            problem,
        })?;
        let part = |name: &str, expected: Digest| {
            let path = folder.join(name);
            let bytes = read(&path, MAX_PART)?;
            let found = Digest::of(&bytes);
            if found == expected {
                Ok(bytes)
            } else {
                Err(Error::Damaged {
                    path,
                    expected,
                    found,
                })
            }
        };
        let kernel = part("kernel", manifest.kernel)?;
        let cmdline = String::from_utf8(part("cmdline", manifest.cmdline)?).map_err(|_| Error::Cmdline)?;
        let boot = part("boot.cpio", manifest.boot)?;
        Self::new(kernel, cmdline, boot, manifest.machine)
    }

    /// The bundle's digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The machine that boots it.
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// The manifest.
    pub fn manifest(&self) -> Manifest {
        manifest(&self.kernel, &self.cmdline, &self.boot, self.machine)
    }

    /// PCR1 of every EIF with this bundle.
    pub fn pcr1(&self) -> Pcr {
        Pcr::of([&self.kernel[..], self.cmdline.as_bytes(), &self.boot])
    }
}

impl Manifest {
    /// Reads a manifest: canonical, and of the format that this builder makes.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if manifest.to_json() != json {
            return Err("not in its canonical form".into());
        }
        if manifest.builder_format != BUILDER_FORMAT {
            let found = manifest.builder_format;
            return Err(format!(
                "made for the builder's format {found}; this builder makes {BUILDER_FORMAT}"
            ));
        }
        Ok(manifest)
    }

    /// The canonical JSON: fields in their order here, no white space.
    pub fn to_json(&self) -> Vec<u8> {
        // Digests, a number and two names: nothing here can fail to be JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

fn manifest(kernel: &[u8], cmdline: &str, boot: &[u8], machine: Machine) -> Manifest {
    Manifest {
        format: ManifestFormat::V1,
        builder_format: BUILDER_FORMAT,
        machine,
        kernel: Digest::of(kernel),
        cmdline: Digest::of(cmdline.as_bytes()),
        boot: Digest::of(boot),
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
