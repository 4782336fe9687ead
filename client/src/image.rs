//! The image that the caller names, measured here: what its enclave's registers must be.

use crate::refusal::{Code, Refusal};
use attestation::Pcr;
use contract::fault::printable;
use eif_build::ImageRef;
use eif_build::bundle::{self, Bundle, Store};
use eif_build::digest::DigestError;
use eif_build::eif::Pcrs;
use eif_build::image::{Cache, Credentials};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where bundles and fetched images are kept.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Folders {
    /// The folder of bundles [default: `bundles` beside the program's folder]
    #[arg(long, value_name = "DIR", env = "TREZA_BUNDLES")]
    pub bundles: Option<PathBuf>,
    /// The folder that fetched images are kept in [default: `treza` in $XDG_CACHE_HOME or ~/.cache]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

/// An image, measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// The image's digest, `sha256:…`.
    pub digest: String,
    /// The bundle's digest, `sha256:…`.
    pub bundle: String,
    /// PCR0, 1 and 2 of its enclave.
    pub pcrs: BTreeMap<u8, Pcr>,
    /// Whether its label gives the application the secure module.
    pub nsm: bool,
}

/// Why an image could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image or the bundle that is named is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The bundle cannot be opened.
    #[error("cannot open the bundle: {0}")]
    Bundle(#[from] bundle::Error),
    /// The image cannot be fetched or measured.
    #[error("cannot measure the image: {0}")]
    Image(#[from] eif_build::Error),
}

impl Error {
    /// Whether the image or the bundle is refused for what it is; otherwise it may succeed later.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Bundle(_) => false,
            Self::Image(error) => error.is_refusal(),
        }
    }
}

impl Folders {
    /// Opens the bundle that the user `asked` for (a digest, or a bundle's own folder), else the one that the row
    /// `named`, else the store's default. Whatever anybody names, its bytes are the user's own.
    ///
    /// # Errors
    /// [`Error::Refused`] with code `unknown_bundle` for one that the store does not hold, [`Error::Bundle`] for one that
    /// cannot be opened.
    pub(crate) fn bundle(&self, asked: Option<&str>, named: Option<&str>) -> Result<Bundle, Error> {
        let store = Store::new(self.bundles());
        if let Some(folder) = asked.map(Path::new).filter(|path| path.is_dir()) {
            return Ok(Bundle::open(folder)?);
        }
        let digest = match asked.or(named) {
            Some(text) => text
                .parse()
                .map_err(|error: DigestError| unknown(text, &store, error))?,
            None => store.default_digest()?,
        };
        match store.open(&digest) {
            Ok(bundle) => Ok(bundle),
            Err(error @ bundle::Error::Unknown { .. }) => {
                Err(unknown(&digest.to_string(), &store, error).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The folder of bundles: as named, else `bundles` beside the folder that the program stands in.
    fn bundles(&self) -> PathBuf {
        let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("bundles"));
        self.bundles
            .clone()
            .or_else(beside)
            .unwrap_or_else(|| "bundles".into())
    }

    /// The folder of fetched images: as named, else as the XDG base directory specification has it.
    fn cache(&self) -> PathBuf {
        let set = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let home = || set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
        let beneath = || Some(home()?.join("treza"));
        self.cache
            .clone()
            .or_else(beneath)
            .unwrap_or_else(|| std::env::temp_dir().join("treza"))
    }
}

fn unknown(bundle: &str, store: &Store, problem: impl std::fmt::Display) -> Refusal {
    Refusal::new(
        Code::UnknownBundle,
        "bundle",
        format!("{} ({problem})", printable(bundle, 80)),
        format!(
            "a bundle that you hold yourself, in {}; make it there, or name another store with --bundles",
            store.folder().display()
        ),
    )
}

/// Fetches the image, checks its digest and measures it with `bundle`.
///
/// # Errors
/// [`Error::Refused`] with code `bad_input` for a reference without a digest, [`Error::Image`] for an image that cannot be
/// fetched or measured.
pub(crate) async fn measure(reference: &str, bundle: &Bundle, folders: &Folders) -> Result<Measured, Error> {
    let image: ImageRef = reference
        .parse()
        .map_err(|error: eif_build::image::Error| Error::Image(error.into()))?;
    if image.digest().is_none() {
        return Err(Refusal::new(
            Code::BadInput,
            "--image",
            format!(
                "{}, which may be moved to another image",
                printable(reference, 200)
            ),
            "its digest too, NAME@sha256:…",
        )
        .into());
    }
    let options = eif_build::Options {
        credentials: Credentials::docker_default(),
        ..eif_build::Options::new(Cache::new(folders.cache()))
    };
    let measurement = eif_build::measure(&image, bundle, &options).await?;
    let Pcrs { pcr0, pcr1, pcr2, .. } = measurement.pcrs;
    Ok(Measured {
        digest: measurement.image_digest.to_string(),
        bundle: measurement.bundle.to_string(),
        pcrs: (0..).zip([pcr0.0, pcr1.0, pcr2.0]).collect(),
        nsm: measurement.description.nsm,
    })
}
