//! An EIF described, verified, taken apart, compared.
use std::path::Path;

use eif_build::{Difference, Inspection, LeftOut, Verification, eif::Certificate};
use serde_json::{Value, json};
use time::{OffsetDateTime, macros::format_description};

use super::{Printed, table};

/// nitro-cli's `describe-eif`, and what there is besides.
pub(crate) fn inspection(found: &Inspection) -> Printed {
    let nitro_cli = found.to_nitro_cli();
    let mut json = nitro_cli.clone();
    if let Value::Object(json) = &mut json {
        json.insert("Size".into(), json!(found.size));
        json.insert("Architecture".into(), json!(architecture(found)));
        json.insert("Cmdline".into(), json!(found.cmdline));
        json.insert("Sections".into(), json!(found.sections));
        json.insert("SignatureProblem".into(), json!(found.signature_problem));
        json.insert("Image".into(), json!(found.description));
    }
    Printed {
        json,
        nitro_cli: Some(nitro_cli),
        text: text(found),
    }
}

fn architecture(found: &Inspection) -> &'static str {
    if found.arm64 { "arm64" } else { "x86_64" }
}

fn text(found: &Inspection) -> String {
    let (metadata, build) = (&found.metadata, &found.metadata.build_metadata);
    let mut lines = vec![
        (
            "name",
            format!("{} {}", metadata.image_name, metadata.image_version),
        ),
        (
            "built",
            format!(
                "{} by {} {}",
                build.build_time, build.build_tool, build.build_tool_version
            ),
        ),
        (
            "system",
            format!(
                "{}, kernel {}, {}",
                build.operating_system,
                build.kernel_version,
                architecture(found)
            ),
        ),
        ("cmdline", found.cmdline.clone()),
    ];
    if let Some(image) = &found.description {
        lines.push(("image", image.digest.clone()));
    }
    lines.push((
        "crc",
        match found.crc.intact() {
            Ok(()) => format!("{:08x}", found.crc.found),
            Err(error) => format!("WRONG: {error}"),
        },
    ));
    lines.push((
        "signed",
        match (&found.certificate, &found.signature_problem) {
            (None, _) => "no".into(),
            (Some(certificate), None) => by(certificate),
            (Some(certificate), Some(problem)) => format!("{}; WRONG: {problem}", by(certificate)),
        },
    ));
    let mut text: String = lines
        .iter()
        .map(|(name, value)| format!("{name:<8}{}\n", printable(value)))
        .collect();
    text += &format!(
        "size    {:>14}\n\nSECTION   {:>14} {:>14}\n",
        found.size, "OFFSET", "BYTES"
    );
    for section in &found.sections {
        text += &format!(
            "{:<10}{:>14} {:>14}\n",
            section.kind.name(),
            section.offset,
            section.size
        );
    }
    format!("{text}\n{}", table(&found.pcrs))
}

/// Who signed, and when the certificate is valid; its dates are for `verify` to judge.
fn by(certificate: &Certificate) -> String {
    let (from, to) = (date(certificate.not_before), date(certificate.not_after));
    format!(
        "{} by {}, {from} to {to}",
        certificate.algorithm(),
        certificate.issuer
    )
}

fn date(seconds: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(seconds).ok();
    date.and_then(|date| date.format(format_description!("[year]-[month]-[day]")).ok())
        .unwrap_or_else(|| "ever".into())
}

/// What a file says of itself, without what a terminal would act on.
fn printable(text: &str) -> String {
    text.chars()
        .map(|it| if it.is_control() { '\u{fffd}' } else { it })
        .collect()
}

/// Each check, and the registers.
pub(crate) fn verified(found: &Verification) -> Printed {
    let json = json!({
        "Verified": found.passed(),
        "Checks": found.checks,
        "Measurements": found.pcrs.map(|pcrs| pcrs.to_nitro_cli()),
    });
    let mut text = String::new();
    for check in &found.checks {
        let name = json!(check.check);
        let (mark, name) = (
            if check.passed { "ok" } else { "REFUSED" },
            name.as_str().unwrap_or_default(),
        );
        text += &format!("{mark:<8}{name:<18}{}\n", printable(&check.message));
    }
    let registers = found.pcrs.as_ref().map(table).unwrap_or_default();
    Printed::new(json, format!("{text}\n{registers}"))
}

/// Where it was put, and what was left out.
pub(crate) fn extracted(folder: &Path, left_out: LeftOut) -> Printed {
    let LeftOut { devices, set_id } = left_out;
    let json = json!({ "Folder": folder, "DevicesLeftOut": devices, "SetIdBitsLeftOut": set_id });
    let mut text = format!("{}\n", folder.display());
    if devices + set_id > 0 {
        text += &format!(
            "left out of rootfs: {devices} devices and pipes, the set-id bits of {set_id} files; --rootfs-tar keeps them\n"
        );
    }
    Printed::new(json, text)
}

/// Each difference on a line: where, what, and both sides.
pub(crate) fn differences(found: &[Difference]) -> Printed {
    let json = json!({ "Same": found.is_empty(), "Differences": found });
    let line = |difference: &Difference| {
        let Difference {
            section,
            path,
            field,
            a,
            b,
        } = difference;
        let path = path.as_ref().map(|path| format!("{path}  ")).unwrap_or_default();
        let side = |text: &str| {
            if text.is_empty() {
                "(none)".to_owned()
            } else {
                printable(text)
            }
        };
        format!("{section}  {path}{field}  {} -> {}\n", side(a), side(b))
    };
    let text = match found {
        [] => "the same\n".into(),
        _ => found.iter().map(line).collect(),
    };
    Printed::new(json, text)
}
