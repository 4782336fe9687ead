//! What each command does.
use std::{fs, path::Path, sync::Arc, time::SystemTime};

use eif_build::{Error, Labels, eif, eif::Signer};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    arguments::{Arguments, Build, BundleCommand, BundleCreate, CacheCommand, Command, Source},
    print::{self, Printed},
    progress,
};

pub(super) fn run(arguments: Arguments) -> Result<(), Error> {
    let printed = match arguments.command {
        Command::Build(build) => build_eif(&build)?,
        Command::Measure(source) => measure(&source)?,
        Command::Describe(eif) => print::inspection(&eif_build::inspect(&eif.file)?),
        Command::Sign(sign) => {
            let signer = signer(&sign.signing_certificate, &sign.private_key)?;
            print::measurements(&eif_build::sign(
                &sign.file,
                &signer,
                sign.output.as_ref().unwrap_or(&sign.file),
            )?)
        }
        Command::Verify(eif) => {
            let (pcrs, certificate) = eif_build::verify(&eif.file, SystemTime::now())?;
            print::verified(&pcrs, &certificate)
        }
        Command::Extract(extract) => {
            eif_build::extract(&extract.file, &extract.output)?;
            return Ok(());
        }
        Command::Bundle(BundleCommand::Create(create)) => create_bundle(&create)?,
        Command::Bundle(BundleCommand::List(folder)) => {
            let store = folder.open();
            print::bundles(&store.list()?, store.default_digest().ok())
        }
        Command::Cache(command) => match command {
            CacheCommand::List(folder) => print::cached(&folder.open().blobs()?),
            CacheCommand::Prune(folder) => print::removed(&folder.open().prune()?),
            CacheCommand::Clear(folder) => print::removed(&folder.open().with_limit(0).prune()?),
        },
    };
    printed.show(arguments.json);
    Ok(())
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
        ..source.folders.options()
    };
    Ok(print::measurement(&block_on(eif_build::measure(
        &source.image,
        &bundle,
        &options,
    ))?))
}

fn create_bundle(create: &BundleCreate) -> Result<Printed, Error> {
    let store = create.store.open();
    let (agent, machine) = (&create.agent, create.machine.into());
    let bundle = store.create(&create.kernel, &create.cmdline, agent, &create.module, machine)?;
    if create.default || store.default_digest().is_err() {
        store.set_default(&bundle.digest())?;
    }
    Ok(print::bundle(&bundle))
}

fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(|error| Error::Interrupted(error.to_string()))?
        .block_on(work)
}

fn signer(certificate: &Path, private_key: &Path) -> Result<Signer, Error> {
    let read = |path: &Path| {
        fs::read(path).map_err(|source| Error::File {
            path: path.into(),
            source,
        })
    };
    let signer = Signer::from_pem(&read(certificate)?, &read(private_key)?);
    signer.map_err(|source| Error::Eif {
        path: private_key.into(),
        source,
    })
}

/// The build time that is asked for, or SOURCE_DATE_EPOCH (reproducible-builds.org), or the fixed one.
fn build_time(asked: Option<&str>) -> Result<String, Error> {
    let refuse = |what: &str| {
        Error::Interrupted(format!(
            "{what}: not a time; write RFC 3339, or seconds since 1970"
        ))
    };
    if let Some(text) = asked {
        OffsetDateTime::parse(text, &Rfc3339).map_err(|_| refuse("--build-time"))?;
        return Ok(text.to_owned());
    }
    let Some(epoch) = std::env::var_os("SOURCE_DATE_EPOCH") else {
        return Ok(eif::DEFAULT_BUILD_TIME.to_owned());
    };
    let seconds = epoch.to_str().and_then(|text| text.parse().ok());
    let time = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.and_then(|time| time.format(&Rfc3339).ok())
        .ok_or_else(|| refuse("SOURCE_DATE_EPOCH"))
}
