//! What the user data's `install.sh` does at an instance's first boot, under a root of its own: fetches the package, checks
//! it and runs its own `install.sh`, imports the bundles. What it does besides is the machine's own business (users, the
//! unit's start, the logs' agent).

use super::user_data::rerooted;
use crate::estate::account::Account;
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

const SETTINGS: &str = "/etc/treza/install.env";
const PROGRAMS: &str = "/usr/local/bin";
const BUNDLES: &str = "/var/lib/treza/bundles";

/// Installs what the settings among the user data's files name.
pub(super) async fn install(account: &Account, root: &Path) -> Result<(), String> {
    let settings = Settings::read(root)?;
    let at = |path: &str| rerooted(root, Path::new(path));
    let package = fetch(account, settings.get("PACKAGE_URI")?).await?;
    let wanted = settings.get("PACKAGE_SHA256")?;
    let digest = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &package));
    if digest != wanted {
        return Err(format!("the package has SHA-256 {digest}, and not {wanted}"));
    }
    let unpacked = root.join("package");
    unpack(&package, &unpacked).map_err(|error| format!("the package: {error}"))?;
    run(Command::new(unpacked.join("install.sh")).arg(root))?;
    let (bundles, uri) = (at(BUNDLES)?, settings.get("BUNDLES_URI")?);
    fs::create_dir_all(&bundles).map_err(|error| format!("{}: {error}", bundles.display()))?;
    for (index, digest) in settings.get("BUNDLES")?.split(' ').enumerate() {
        let hex = digest.trim_start_matches("sha256:");
        let file = root.join("bundle.tar");
        let content = fetch(account, &format!("{uri}{hex}.tar")).await?;
        fs::write(&file, content).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut import = Command::new(at(PROGRAMS)?.join("treza-eif"));
        import
            .args(["bundle", "import"])
            .arg(&file)
            .arg("--bundles")
            .arg(&bundles);
        if index == 0 {
            import.arg("--default");
        }
        run(&mut import)?;
        let _ = fs::remove_file(file);
    }
    Ok(())
}

/// `NAME='value'`, line by line.
struct Settings(BTreeMap<String, String>);

impl Settings {
    fn read(root: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(rerooted(root, Path::new(SETTINGS))?);
        let text = text.map_err(|error| format!("{SETTINGS}: {error}"))?;
        let line = |line: &str| {
            let (name, value) = line.split_once('=')?;
            let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
            Some((name.to_owned(), value.to_owned()))
        };
        let read: Option<_> = text.lines().filter(|text| !text.is_empty()).map(line).collect();
        read.map(Self)
            .ok_or_else(|| format!("{SETTINGS} has a line that is none: {text}"))
    }

    fn get(&self, name: &str) -> Result<&str, String> {
        self.0
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| format!("{SETTINGS} has no {name}"))
    }
}

async fn fetch(account: &Account, uri: &str) -> Result<Vec<u8>, String> {
    let path = uri
        .strip_prefix("s3:/")
        .ok_or_else(|| format!("{uri} is no object of S3"))?;
    let object = account.object(path).await;
    object.map(Into::into).map_err(|error| format!("{uri}: {error}"))
}

fn run(command: &mut Command) -> Result<(), String> {
    let done = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&done.stderr))),
    }
}

fn unpack(package: &[u8], folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut archive = tar::Archive::new(GzDecoder::new(package));
    archive.set_preserve_permissions(true);
    archive.unpack(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_what_is_none_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let file = rerooted(root.path(), Path::new(SETTINGS)).unwrap();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "PACKAGE_URI='s3://b/p.tar.gz'\nBUNDLES='a b'\n").unwrap();
        let settings = Settings::read(root.path()).unwrap();
        assert_eq!(settings.get("PACKAGE_URI"), Ok("s3://b/p.tar.gz"));
        assert!(settings.get("DRIVER").is_err());
        fs::write(&file, "PACKAGE_URI=$(id)\n").unwrap();
        assert!(Settings::read(root.path()).is_err());
    }
}
