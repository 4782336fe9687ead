//! What is kept on this machine: bundles, and the cache of images.
use eif_build::{
    Error,
    bundle::{Bundle, Store, kernel_version},
    digest::Digest,
    image::Blob,
};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::Printed;

/// A bundle's name, for scripts; all of it as JSON.
pub(crate) fn named(bundle: &Bundle) -> Printed {
    Printed {
        text: format!("{}\n", bundle.digest()),
        ..self::bundle(bundle)
    }
}

/// What a bundle is made of.
pub(crate) fn bundle(bundle: &Bundle) -> Printed {
    let (digest, pcr1, manifest) = (bundle.digest(), bundle.pcr1(), bundle.manifest());
    let (kernel, boot) = (bundle.kernel.len(), bundle.boot.len());
    let version = kernel_version(&bundle.kernel);
    let json = json!({
        "Bundle": digest, "PCR1": pcr1, "Manifest": manifest, "Cmdline": bundle.cmdline,
        "KernelSize": kernel, "KernelVersion": version, "BootSize": boot,
    });
    let text = format!(
        "bundle   {digest}\nmachine  {}\nformat   {}, of the builder\nkernel   {} ({kernel} bytes)\nversion  {}\nboot     {} ({boot} bytes)\ncmdline  {}\nPCR1     {pcr1}\n",
        machine(bundle),
        manifest.builder_format,
        manifest.kernel,
        version.unwrap_or("none: it is no bzImage, or does not say"),
        manifest.boot,
        bundle.cmdline
    );
    Printed::new(json, text)
}

/// A store's bundles.
pub(crate) fn bundles(store: &Store, default: Option<Digest>) -> Result<Printed, Error> {
    let (mut text, mut details) = (String::new(), Vec::new());
    let digests = store.list()?;
    for digest in &digests {
        // One that is damaged is listed, or nobody would find it.
        let opened = store.open(digest);
        let what = opened.as_ref().map_or_else(
            |error| format!("DAMAGED: {error}"),
            |bundle| {
                format!(
                    "{}  {} bytes",
                    machine(bundle),
                    bundle.kernel.len() + bundle.boot.len()
                )
            },
        );
        let mark = if default == Some(*digest) {
            " (default)"
        } else {
            ""
        };
        text += &format!("{digest}  {what}{mark}\n");
        details.push(json!({
            "Bundle": digest,
            "Machine": opened.as_ref().ok().map(Bundle::machine),
            "Problem": opened.err().map(|error| error.to_string()),
        }));
    }
    let json = json!({ "Bundles": digests, "Default": default, "Details": details });
    Ok(Printed::new(json, text))
}

fn machine(bundle: &Bundle) -> String {
    let machine = json!(bundle.machine());
    machine.as_str().unwrap_or_default().to_owned()
}

/// The bundles that were removed.
pub(crate) fn pruned(digests: &[Digest]) -> Printed {
    let lines = digests.iter().map(|digest| format!("removed {digest}\n"));
    Printed::new(json!({ "Removed": digests }), lines.collect())
}

/// What is in the cache.
pub(crate) fn cached(blobs: &[Blob]) -> Printed {
    let used = |blob: &Blob| {
        let used = OffsetDateTime::from(blob.used).replace_nanosecond(0).ok();
        used.and_then(|used| used.format(&Rfc3339).ok())
            .unwrap_or_default()
    };
    let line = |blob: &Blob| format!("{}  {:>12}  {}\n", blob.digest, blob.size, used(blob));
    let entry = |blob: &Blob| json!({ "Digest": blob.digest, "Size": blob.size, "Used": used(blob) });
    let total = Blob::total(blobs);
    Printed::new(
        json!({ "Blobs": blobs.iter().map(entry).collect::<Vec<_>>(), "Size": total }),
        blobs.iter().map(line).collect::<String>() + &format!("{total} bytes in {} blobs\n", blobs.len()),
    )
}

/// What was removed from the cache.
pub(crate) fn removed(blobs: &[Blob]) -> Printed {
    let (count, total) = (blobs.len(), Blob::total(blobs));
    Printed::new(
        json!({ "Removed": count, "Size": total }),
        format!("removed {total} bytes in {count} blobs\n"),
    )
}
