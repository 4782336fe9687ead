//! What each command does.
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use eif_build::{
    Compression, Difference, Error, ImageRef, Labels, RootFs, bundle::Blobs, eif, eif::Signer, rootfs::Limits,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use zeroize::Zeroizing;

use super::{
    arguments::{Arguments, Build, CacheCommand, Command, Diff, Extract, Folders, Json, Source},
    bundle_arguments::{BundleCommand, BundleCreate},
    print::{self, Printed},
    progress,
};

/// Does what is asked, prints it, and says whether it is good.
pub(super) fn run(arguments: Arguments) -> Result<Outcome, Error> {
    if arguments.json == Some(Json::NitroCli) && !arguments.command.is_nitro_clis() {
        return Err(Error::Argument(
            "nothing was done: nitro-cli has no such command, and so no shape for it; use --json alone"
                .into(),
        ));
    }
    let mut outcome = Outcome::Done;
    let printed = match arguments.command {
        Command::Build(build) => build_eif(&build)?,
        Command::Measure(source) => measure(&source)?,
        Command::Describe(eif) => {
            let found = eif_build::describe(&eif.file)?;
            outcome = Outcome::refused_unless(found.crc.intact().is_ok());
            print::inspection(&found)
        }
        Command::Sign(sign) => {
            let signer = signer(&sign.signing_certificate, &sign.private_key)?;
            let output = sign.output.as_ref().unwrap_or(&sign.file);
            print::measurements(&eif_build::sign(&sign.file, &signer, output)?)
        }
        Command::Verify(eif) => {
            let found = eif_build::verify(&eif.file, SystemTime::now())?;
            outcome = Outcome::refused_unless(found.passed());
            print::verified(&found)
        }
        Command::Extract(extract) => take_apart(&extract)?,
        Command::Diff(diff) => {
            let found = compare(&diff)?;
            if !found.is_empty() {
                outcome = Outcome::Differs;
            }
            print::differences(&found)
        }
        Command::Bundle(command) => bundle(command)?,
        Command::Cache(command) => match command {
            CacheCommand::List(folder) => print::cached(&folder.open().blobs()?),
            CacheCommand::Prune(folder) => print::removed(&folder.open().prune()?),
            CacheCommand::Clear(folder) => print::removed(&folder.open().with_limit(0).prune()?),
        },
    };
    printed.show(arguments.json)?;
    Ok(outcome)
}

/// What became of a command that could be carried out; otherwise it is an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// What was looked at is not good.
    Refused,
    /// What was compared differs.
    Differs,
}

impl Outcome {
    fn refused_unless(good: bool) -> Self {
        if good { Self::Done } else { Self::Refused }
    }
}

fn build_eif(build: &Build) -> Result<Printed, Error> {
    let signer = match (&build.signing_certificate, &build.private_key) {
        (Some(certificate), Some(key)) => Some(Arc::new(signer(certificate, key)?)),
        _ => None,
    };
    let labels = Labels {
        name: build.name.clone(),
        version: build.image_version.clone(),
        build_time: build_time(build.build_time.as_deref())?,
        signer,
    };
    match (&build.image, &build.kernel) {
        (Some(image), _) => {
            let bundle = build.folders.open_bundle()?;
            let (progress, _bars) = progress::start();
            let options = eif_build::Options {
                progress,
                compression: compression(build.compress),
                ..build.folders.options()
            };
            let built = block_on(eif_build::build(image, &bundle, &labels, &options, &build.output))?;
            Ok(print::measurement(&built))
        }
        (None, Some(kernel)) => {
            let cmdline = build.cmdline.as_deref().unwrap_or_default();
            let pcrs = eif_build::build_from_files(kernel, cmdline, &build.ramdisk, &labels, &build.output)?;
            Ok(print::measurements(&pcrs))
        }
        (None, None) => Err(Error::Interrupted("neither --image nor --kernel is given".into())),
    }
}

fn measure(source: &Source) -> Result<Printed, Error> {
    let bundle = source.folders.open_bundle()?;
    let (progress, _bars) = progress::start();
    let options = eif_build::Options {
        progress,
        compression: compression(source.compress),
        ..source.folders.options()
    };
    Ok(print::measurement(&block_on(eif_build::measure(
        &source.image,
        &bundle,
        &options,
    ))?))
}

fn compression(zstd: bool) -> Compression {
    if zstd {
        Compression::Zstd
    } else {
        Compression::None
    }
}

fn take_apart(extract: &Extract) -> Result<Printed, Error> {
    let wanted = RootFs {
        directory: extract.rootfs,
        tar: extract.rootfs_tar,
    };
    let left_out = eif_build::extract(&extract.file, &extract.output, wanted, &Limits::default())?;
    Ok(print::extracted(&extract.output, left_out))
}

fn compare(diff: &Diff) -> Result<Vec<Difference>, Error> {
    let temporary = tempfile::tempdir().map_err(|source| Error::File {
        path: std::env::temp_dir(),
        source,
    })?;
    let a = eif_of(&diff.a, &diff.folders, temporary.path().join("a.eif"))?;
    let b = eif_of(&diff.b, &diff.folders, temporary.path().join("b.eif"))?;
    eif_build::diff(&a, &b, &Limits::default())
}

/// The EIF of that name; if there is no such file, that of the image of that name, built into `temporary`.
fn eif_of(name: &str, folders: &Folders, temporary: PathBuf) -> Result<PathBuf, Error> {
    // What is written as a file's name is not looked for in a registry.
    if Path::new(name).exists() || name.starts_with(['.', '/']) || name.ends_with(".eif") {
        return Ok(name.into());
    }
    let image: ImageRef = name.parse()?;
    let (progress, _bars) = progress::start();
    let options = eif_build::Options {
        progress,
        ..folders.options()
    };
    let bundle = folders.open_bundle()?;
    block_on(eif_build::build(
        &image,
        &bundle,
        &Labels::default(),
        &options,
        &temporary,
    ))?;
    Ok(temporary)
}

fn bundle(command: BundleCommand) -> Result<Printed, Error> {
    Ok(match command {
        BundleCommand::Create(create) => create_bundle(&create)?,
        BundleCommand::List(folder) => {
            let store = folder.open();
            print::bundles(&store, store.default_digest().ok())?
        }
        BundleCommand::Show(show) => {
            let store = show.store.open();
            let digest = show.bundle.map_or_else(|| store.default_digest(), Ok)?;
            print::bundle(&store.open(&digest)?)
        }
        BundleCommand::Export(export) => {
            print::named(&export.store.open().export(&export.bundle, &export.output)?)
        }
        BundleCommand::Import(import) => {
            let store = import.store.open();
            let bundle = store.import(&import.file)?;
            if import.default {
                store.set_default(&bundle.digest())?;
            }
            print::named(&bundle)
        }
        BundleCommand::Prune(prune) => print::pruned(&prune.store.open().prune(&prune.keep)?),
    })
}

fn create_bundle(create: &BundleCreate) -> Result<Printed, Error> {
    let store = create.store.open();
    let machine = create.machine.into();
    let (kernel, cmdline, modules) = match (&create.kernel, &create.cmdline) {
        (Some(kernel), Some(cmdline)) => (kernel.clone(), cmdline.clone(), create.module.clone()),
        _ => {
            let blobs = Blobs::open(&create.blobs)?;
            (blobs.kernel, blobs.cmdline, blobs.modules)
        }
    };
    let bundle = store.create(&kernel, &cmdline, &create.agent, &modules, machine)?;
    if create.default || store.default_digest().is_err() {
        store.set_default(&bundle.digest())?;
    }
    Ok(print::named(&bundle))
}

fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(|error| Error::Interrupted(error.to_string()))?
        .block_on(work)
}

/// The private key is a file or, as nitro-cli has it, the ARN of a key in KMS.
fn signer(certificate: &Path, private_key: &Path) -> Result<Signer, Error> {
    let pem = read_pem(certificate)?;
    let signer = match private_key.to_str() {
        Some(arn) if arn.starts_with("arn:") => of_kms(&pem, arn),
        _ => Signer::from_pem(&pem, &Zeroizing::new(read_pem(private_key)?)),
    };
    signer.map_err(|source| Error::Signer {
        certificate: certificate.into(),
        key: private_key.into(),
        source,
    })
}

/// A certificate or key, which is never as large as this.
fn read_pem(path: &Path) -> Result<Vec<u8>, Error> {
    const MOST: u64 = 1 << 20;
    let read = || {
        let mut bytes = Vec::new();
        let count = File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
        match count as u64 > MOST {
            true => Err(io::Error::other(
                "it is too large for a certificate or key in PEM",
            )),
            false => Ok(bytes),
        }
    };
    read().map_err(|source| Error::File {
        path: path.into(),
        source,
    })
}

#[cfg(feature = "kms")]
fn of_kms(certificate: &[u8], arn: &str) -> Result<Signer, eif::Error> {
    Signer::from_kms(certificate, arn)
}

#[cfg(not(feature = "kms"))]
fn of_kms(_: &[u8], _: &str) -> Result<Signer, eif::Error> {
    let problem = "this treza-eif was built without KMS; build it with the feature `kms`";
    Err(eif::Error::Key(problem.into()))
}

/// The build time that is asked for, or SOURCE_DATE_EPOCH (reproducible-builds.org), or the fixed one.
fn build_time(asked: Option<&str>) -> Result<String, Error> {
    if let Some(text) = asked {
        return match OffsetDateTime::parse(text, &Rfc3339) {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err(Error::Argument(format!(
                "--build-time {text:?} is not a time; write it as RFC 3339 has it: 2026-01-31T12:00:00Z"
            ))),
        };
    }
    let Some(epoch) = std::env::var_os("SOURCE_DATE_EPOCH") else {
        return Ok(eif::DEFAULT_BUILD_TIME.to_owned());
    };
    let seconds = epoch.to_str().and_then(|text| text.parse().ok());
    let time = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.and_then(|time| time.format(&Rfc3339).ok()).ok_or_else(|| {
        Error::Argument(format!(
            "SOURCE_DATE_EPOCH {epoch:?} is not a time; write seconds since 1970, or unset it"
        ))
    })
}
