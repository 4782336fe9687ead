//! The arguments of `treza-eif bundle`.
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use eif_build::{
    bundle::{Blobs, Machine, Store},
    digest::Digest,
};

#[derive(Subcommand)]
pub(super) enum BundleCommand {
    /// Make a bundle and keep it in the store
    Create(BundleCreate),
    /// List the store's bundles
    List(StoreFolder),
    /// Say what a bundle is made of, and check every part of it
    Show(BundleShow),
    /// Write a bundle into a file
    Export(BundleExport),
    /// Take a bundle from such a file into the store
    Import(BundleImport),
    /// Remove every bundle but the default, and what was left half written
    Prune(BundlePrune),
}

#[derive(Args)]
pub(super) struct StoreFolder {
    /// The folder of bundles [default: `bundles` beside the program's folder]
    #[arg(long, value_name = "DIR", env = "TREZA_BUNDLES")]
    bundles: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct BundleCreate {
    /// The kernel, a bzImage
    #[arg(long, value_name = "FILE", required_unless_present = "nitro")]
    pub(super) kernel: Option<PathBuf>,
    /// The kernel's command line
    #[arg(long, value_name = "TEXT", required_unless_present = "nitro")]
    pub(super) cmdline: Option<String>,
    /// Take AWS's kernel, command line and nsm.ko
    #[arg(long, conflicts_with_all = ["kernel", "cmdline", "module", "machine"])]
    pub(super) nitro: bool,
    /// Where AWS's blobs are
    #[arg(long, value_name = "DIR", env = "NITRO_CLI_BLOBS", default_value = Blobs::FOLDER)]
    pub(super) blobs: PathBuf,
    /// The agent, a static program
    #[arg(long, value_name = "FILE")]
    pub(super) agent: PathBuf,
    /// A kernel module (.ko), in load order; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(super) module: Vec<PathBuf>,
    /// How the kernel finds its devices
    #[arg(long, value_enum, default_value = "cmdline")]
    pub(super) machine: MachineName,
    /// Use it where no bundle is named; the first bundle of a store is used so anyway
    #[arg(long)]
    pub(super) default: bool,
    #[command(flatten)]
    pub(super) store: StoreFolder,
}

#[derive(Args)]
pub(super) struct BundleShow {
    /// The bundle [default: the store's default]
    #[arg(value_name = "DIGEST")]
    pub(super) bundle: Option<Digest>,
    #[command(flatten)]
    pub(super) store: StoreFolder,
}

#[derive(Args)]
pub(super) struct BundleExport {
    /// The bundle
    #[arg(value_name = "DIGEST")]
    pub(super) bundle: Digest,
    /// The file
    #[arg(long, value_name = "FILE")]
    pub(super) output: PathBuf,
    #[command(flatten)]
    pub(super) store: StoreFolder,
}

#[derive(Args)]
pub(super) struct BundleImport {
    /// The file
    pub(super) file: PathBuf,
    /// Use it where no bundle is named
    #[arg(long)]
    pub(super) default: bool,
    #[command(flatten)]
    pub(super) store: StoreFolder,
}

#[derive(Args)]
pub(super) struct BundlePrune {
    /// A bundle to keep besides the default; may be given several times
    #[arg(long, value_name = "DIGEST")]
    pub(super) keep: Vec<Digest>,
    #[command(flatten)]
    pub(super) store: StoreFolder,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum MachineName {
    /// On the command line, ACPI off: our own kernel, as on Nitro
    Cmdline,
    /// In ACPI's tables: Debian's kernel
    Acpi,
}

impl From<MachineName> for Machine {
    fn from(name: MachineName) -> Self {
        match name {
            MachineName::Cmdline => Self::Cmdline,
            MachineName::Acpi => Self::Acpi,
        }
    }
}

impl StoreFolder {
    pub(super) fn open(&self) -> Store {
        let beside = || Some(std::env::current_exe().ok()?.parent()?.join("../bundles"));
        Store::new(
            self.bundles
                .clone()
                .or_else(beside)
                .unwrap_or_else(|| "bundles".into()),
        )
    }
}
