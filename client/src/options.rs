//! The options of every command that verifies, and what they come to.

use crate::expectation::{self, Expectation};
use crate::image::{self, Measured};
use crate::input::{self, InputError};
use crate::policy;
use crate::refusal::{Code, Refusal};
use attestation::{Pcr, Root};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What the user expects, on the command line.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// Expect this value (96 hex digits) in PCR N; given again for the same N: any of them
    #[arg(long = "pcr", value_name = "N=HEX", value_parser = pcr)]
    pub pcrs: Vec<(u8, Pcr)>,
    /// Expect what this file says, in TOML or JSON (docs/verification.md has its keys)
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Expect this image, fetched and measured here
    #[arg(long, value_name = "REF@sha256:…")]
    pub image: Option<String>,
    /// Expect this nonce, which you gave to the enclave
    #[arg(long, value_name = "HEX", value_parser = nonce)]
    pub nonce: Option<Nonce>,
    /// Verify as at this time, in seconds since 1970, instead of now: the time at which you got the evidence
    #[arg(long, value_name = "UNIX-SECONDS")]
    pub at: Option<u64>,
    /// Verify archived evidence at its own time, whatever that is: it was good then, which says nothing of now
    #[arg(long, conflicts_with_all = ["at", "max_age"])]
    pub audit: bool,
    /// Refuse documents older than this [for a row: 120]
    #[arg(long, value_name = "SECONDS")]
    pub max_age: Option<u64>,
    /// Trust this root beside AWS's; may be given again
    #[arg(long = "trust-root", value_name = "PEM")]
    pub trust_roots: Vec<PathBuf>,
    /// Accept an enclave in debug mode, of whose image nothing is proven
    #[arg(long)]
    pub allow_debug: bool,
    /// Measure --image with this bundle [default: the one that the row names, else the store's default]
    #[arg(long, value_name = "DIGEST|DIR", requires = "image")]
    pub bundle: Option<String>,
    /// Where bundles and fetched images are kept
    #[command(flatten)]
    pub folders: image::Folders,
}

/// A nonce; at most 1024 bytes, as a document carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(Vec<u8>);

/// What the options come to.
#[derive(Debug, Clone)]
pub struct Criteria {
    /// What is expected.
    pub expectation: Expectation,
    /// The image behind the expectation, if one was measured.
    pub image: Option<Measured>,
    /// The roots that are trusted: AWS's, and those that the user names.
    pub roots: Vec<Root>,
    /// The time to judge it at.
    pub time: Time,
}

/// The time at which evidence is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// When it was verified.
    Now(SystemTime),
    /// As the user says with `--at`.
    Named(SystemTime),
    /// The document's own, with `--audit`.
    OfDocument,
}

/// Why there is no verification, or not a good one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Evidence or an option is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A file could not be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The image could not be measured.
    #[error(transparent)]
    Image(image::Error),
}

impl From<image::Error> for Error {
    fn from(error: image::Error) -> Self {
        match error {
            image::Error::Refused(refusal) => Self::Refused(refusal),
            error => Self::Image(error),
        }
    }
}

impl Error {
    /// The stable, machine-readable spelling: the refusal's, "bad_input" for an image that is refused, "could_not".
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code.as_str(),
            Self::Image(error) if error.is_refusal() => Code::BadInput.as_str(),
            Self::Input(_) | Self::Image(_) => "could_not",
        }
    }

    /// Whether something is refused for what it is; otherwise nothing was decided.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Input(_) => false,
            Self::Image(error) => error.is_refusal(),
        }
    }
}

impl Options {
    /// Reads the files that the options name and measures the image, with the bundle of `--bundle`, else
    /// `named_bundle`, else the store's default.
    ///
    /// # Errors
    /// [`Error::Refused`] with code `bad_input` for what cannot be an expectation, `unknown_bundle` for a bundle that
    /// the user does not hold; the others for what cannot be read or reached.
    pub async fn criteria(&self, named_bundle: Option<&str>) -> Result<Criteria, Error> {
        let time = self.time()?;
        let roots = self.roots()?;
        let mut expectation = self.expectation()?;
        let image = match &self.image {
            Some(reference) => {
                let bundle = self.folders.bundle(self.bundle.as_deref(), named_bundle)?;
                Some(image::measure(reference, &bundle, &self.folders).await?)
            }
            None => None,
        };
        if let Some(image) = &image {
            for (index, value) in &image.pcrs {
                once(!expectation.expects(*index), &format!("PCR{index}"))?;
                expectation.pcrs.insert(*index, vec![*value]);
            }
            expectation.image_digest = Some(image.digest.clone());
        }
        Ok(Criteria {
            expectation,
            image,
            roots,
            time,
        })
    }

    /// The policy file's expectation, with that of the command line.
    fn expectation(&self) -> Result<Expectation, Error> {
        let mut expectation = match &self.policy {
            Some(path) => read_policy(path)?,
            None => Expectation::default(),
        };
        for (index, _) in &self.pcrs {
            once(!expectation.expects(*index), &format!("PCR{index}"))?;
        }
        for (index, value) in &self.pcrs {
            expectation.pcrs.entry(*index).or_default().push(*value);
        }
        if let Some(Nonce(nonce)) = &self.nonce {
            once(expectation.nonces.is_empty(), "the nonce")?;
            expectation.nonces.push(nonce.clone());
        }
        if let Some(seconds) = self.max_age {
            once(expectation.max_age.is_none(), "the greatest age")?;
            expectation.max_age = Some(Duration::from_secs(seconds));
        }
        expectation.allow_debug |= self.allow_debug;
        Ok(expectation)
    }

    fn roots(&self) -> Result<Vec<Root>, Error> {
        let mut roots = vec![Root::aws_nitro()];
        for path in &self.trust_roots {
            let bytes = input::read(path)?;
            let root = Root::from_pem(&String::from_utf8_lossy(&bytes))
                .map_err(|error| bad_file("--trust-root", path, error, "a root certificate in PEM"))?;
            roots.push(root);
        }
        Ok(roots)
    }

    fn time(&self) -> Result<Time, Refusal> {
        match self.at {
            _ if self.audit => Ok(Time::OfDocument),
            None => Ok(Time::Now(SystemTime::now())),
            Some(seconds) => SystemTime::UNIX_EPOCH
                .checked_add(Duration::from_secs(seconds))
                .map(Time::Named)
                .ok_or_else(|| bad_input("--at", seconds, "seconds since 1970")),
        }
    }
}

fn read_policy(path: &Path) -> Result<Expectation, Error> {
    let bytes = input::read(path)?;
    let read = policy::read(&String::from_utf8_lossy(&bytes));
    Ok(read.map_err(|error| bad_file("--policy", path, error, "a policy, as docs/verification.md says"))?)
}

/// Two sources for one expectation would have to be joined by a rule that nobody remembers.
fn once(first: bool, what: &str) -> Result<(), Refusal> {
    if first {
        return Ok(());
    }
    Err(bad_input(
        "expectation",
        format!("{what} from two of command line, --policy and --image"),
        "one source for it",
    ))
}

fn bad_input(option: &str, found: impl Display, expected: impl Display) -> Refusal {
    Refusal::new(Code::BadInput, option, found, expected)
}

/// A file that does not read as what it is named for.
fn bad_file(option: &str, path: &Path, found: impl Display, expected: &str) -> Refusal {
    bad_input(&format!("{option} {}", path.display()), found, expected)
}

fn pcr(text: &str) -> Result<(u8, Pcr), String> {
    let (index, value) = text.split_once('=').ok_or("is not N=HEX")?;
    expectation::pcr(index, value)
}

fn nonce(text: &str) -> Result<Nonce, String> {
    match hex::decode(text) {
        Ok(nonce) if nonce.len() <= 1024 => Ok(Nonce(nonce)),
        _ => Err("is not hex of at most 1024 bytes".into()),
    }
}
