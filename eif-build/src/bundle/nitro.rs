//! AWS's kernel for enclaves, as its package aws-nitro-enclaves-cli installs it.
use std::path::{Path, PathBuf};

use super::{Error, read};

/// The largest command line's file, in bytes.
const MAX_CMDLINE: u64 = 4096;

/// The parts of a bundle that stand in a folder of AWS's blobs. The agent takes the place of AWS's `init`; the driver of
/// the secure module is loaded by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blobs {
    /// `bzImage`.
    pub kernel: PathBuf,
    /// What `cmdline` says, without a line's end.
    pub cmdline: String,
    /// `nsm.ko`, where there is one; newer kernels have the driver built in.
    pub modules: Vec<PathBuf>,
}

impl Blobs {
    /// Where AWS's package puts them; nitro-cli's NITRO_CLI_BLOBS names another folder.
    pub const FOLDER: &str = "/usr/share/nitro_enclaves/blobs";

    /// Looks into a folder of blobs.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let refuse = |problem| Error::Blobs {
            folder: folder.into(),
            problem,
        };
        let kernel = folder.join("bzImage");
        if !kernel.is_file() {
            return Err(refuse(if folder.join("Image").is_file() {
                "it has arm64's Image and no bzImage; bundles are for x86_64"
            } else {
                "it has no bzImage; install aws-nitro-enclaves-cli-devel, or name the folder with NITRO_CLI_BLOBS"
            }));
        }
        let cmdline = read(&folder.join("cmdline"), MAX_CMDLINE)?;
        let cmdline = String::from_utf8(cmdline).map_err(|_| Error::Cmdline)?;
        let module = folder.join("nsm.ko");
        Ok(Self {
            kernel,
            cmdline: cmdline.trim().to_owned(),
            modules: module.is_file().then_some(module).into_iter().collect(),
        })
    }
}
