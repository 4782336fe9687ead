//! What must be equal: registers, what is described, signatures each way.
use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    Outcome, Table, inputs,
    process::{peer, run, treza},
};

/// What `describe-eif` says of a file, here and by the peer.
pub(crate) fn described(eif: &Path) -> Outcome<(Value, Value)> {
    let ours = run(treza().args(["describe", "--json=nitro-cli"]).arg(eif))?;
    let theirs = run(peer().arg("describe").arg(eif))?;
    Ok((
        serde_json::from_str(&ours.output)?,
        serde_json::from_str(&theirs.output)?,
    ))
}

/// The EIFs that the peer once wrote: all that is described is equal, certificates and checks too.
pub(crate) fn vectors(table: &mut Table, folder: Option<PathBuf>) -> Outcome<()> {
    let Some(folder) = folder else {
        table.note("the peer's EIFs", "skipped: TREZA_VECTORS is not set", "", None);
        return Ok(());
    };
    let mut files: Vec<_> = fs::read_dir(folder.join("eif"))?
        .map(|it| Ok(it?.path()))
        .collect::<Outcome<_>>()?;
    files.retain(|path| path.extension().is_some_and(|it| it == "eif"));
    files.sort();
    for path in files {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.contains("peerbug") {
            let refused = !treza().arg("describe").arg(&path).output()?.status.success();
            let value = if refused { "refused" } else { "accepted" };
            table.note(
                format!("{name}: table and walk disagree"),
                value,
                "refused",
                Some(refused),
            );
            continue;
        }
        let (ours, theirs) = described(&path)?;
        note_equal(table, format!("{name}: describe"), &ours, &theirs);
    }
    Ok(())
}

/// Notes whether two JSON texts are the same, the order of keys included.
pub(crate) fn note_equal(table: &mut Table, what: String, ours: &Value, theirs: &Value) {
    let equal = ours.to_string() == theirs.to_string();
    if !equal {
        eprintln!("ours: {ours:#}\nthe peer's: {theirs:#}");
    }
    table.note(
        what,
        if equal { "equal" } else { "DIFFERENT" },
        "equal",
        Some(equal),
    );
}

/// What is signed here passes the peer's checks, and the other way round.
pub(crate) fn signatures(table: &mut Table, work: &Path) -> Outcome<()> {
    let (kernel, ramdisk, eif) = (work.join("kernel"), work.join("ramdisk"), work.join("a.eif"));
    inputs::noise(&kernel, 1, 1)?;
    inputs::noise(&ramdisk, 1, 2)?;
    let curves = [
        ("P-256", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("P-384", &rcgen::PKCS_ECDSA_P384_SHA384),
        ("P-521", &rcgen::PKCS_ECDSA_P521_SHA512),
    ];
    for (name, curve) in curves {
        let (certificate, key) = key(work, curve)?;
        run(treza()
            .arg("build")
            .arg("--kernel")
            .arg(&kernel)
            .args(["--cmdline", "quiet", "--ramdisk"])
            .arg(&ramdisk)
            .arg("--output")
            .arg(&eif))?;
        let theirs = work.join("theirs.eif");
        fs::copy(&eif, &theirs)?;

        run(treza()
            .arg("sign")
            .arg(&eif)
            .arg("--signing-certificate")
            .arg(&certificate)
            .arg("--private-key")
            .arg(&key))?;
        let passes = run(peer().arg("check").arg(&eif)).is_ok();
        table.note(
            format!("{name}: signed here, checked by the peer"),
            verdict(passes),
            "passes",
            Some(passes),
        );
        let (ours, peers) = described(&eif)?;
        note_equal(table, format!("{name}: signed here, described"), &ours, &peers);

        run(peer().arg("sign").arg(&theirs).arg(&certificate).arg(&key))?;
        let passes = treza().arg("verify").arg(&theirs).output()?.status.success();
        table.note(
            format!("{name}: signed by the peer, verified here"),
            verdict(passes),
            "passes",
            Some(passes),
        );
    }
    Ok(())
}

/// A certificate and its key, in files.
pub(crate) fn key(work: &Path, curve: &'static rcgen::SignatureAlgorithm) -> Outcome<(PathBuf, PathBuf)> {
    let pair = rcgen::KeyPair::generate_for(curve)?;
    let certificate = rcgen::CertificateParams::new(vec!["peers.test".into()])?.self_signed(&pair)?;
    let files = (work.join("certificate.pem"), work.join("key.pem"));
    fs::write(&files.0, certificate.pem())?;
    fs::write(&files.1, pair.serialize_pem())?;
    Ok(files)
}

fn verdict(passes: bool) -> &'static str {
    if passes { "passes" } else { "REFUSED" }
}
