//! User data: `#cloud-config`, and a JSON object, which is YAML too. Of cloud-init's modules there is `write_files`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde::Deserialize;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// EC2's limit, before base64.
const MOST_BYTES: usize = 16 * 1024;
/// The most that a file may become.
const MOST_FILE_BYTES: u64 = 1 << 20;

#[derive(Debug, Deserialize)]
pub(super) struct UserData {
    #[serde(default)]
    write_files: Vec<File>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    path: PathBuf,
    #[serde(default)]
    content: String,
    #[serde(default)]
    encoding: String,
    permissions: Option<String>,
    #[serde(default, rename = "owner")]
    _owner: Option<String>,
    #[serde(default, rename = "defer")]
    _defer: bool,
}

impl UserData {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MOST_BYTES {
            return Err(format!(
                "user data of {} bytes, and EC2 takes {MOST_BYTES}",
                bytes.len()
            ));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| format!("user data: {error}"))?;
        let body = text
            .strip_prefix("#cloud-config\n")
            .ok_or("user data does not begin with #cloud-config")?;
        serde_json::from_str(body).map_err(|error| format!("user data: {error}"))
    }

    /// Writes the files, with `root` for `/`.
    pub(super) fn write_files(&self, root: &Path) -> Result<(), String> {
        self.write_files.iter().try_for_each(|file| file.write(root))
    }
}

impl File {
    fn write(&self, root: &Path) -> Result<(), String> {
        let path = rerooted(root, &self.path)?;
        let fault = |error: &dyn std::fmt::Display| format!("{}: {error}", self.path.display());
        let content = self.content().map_err(|error| fault(&error))?;
        let mode = self.permissions.as_deref().unwrap_or("0644");
        let mode = u32::from_str_radix(mode, 8).map_err(|error| fault(&error))?;
        fs::create_dir_all(path.parent().unwrap_or(root)).map_err(|error| fault(&error))?;
        fs::write(&path, content).map_err(|error| fault(&error))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(|error| fault(&error))
    }

    fn content(&self) -> Result<Vec<u8>, String> {
        let decoded = || STANDARD.decode(&self.content).map_err(|error| error.to_string());
        match self.encoding.as_str() {
            "" | "text/plain" => Ok(self.content.clone().into()),
            "b64" | "base64" => decoded(),
            "gz+b64" | "gzip+b64" | "gz+base64" | "gzip+base64" => {
                let (packed, mut content) = (decoded()?, Vec::new());
                let read = GzDecoder::new(&packed[..])
                    .take(MOST_FILE_BYTES)
                    .read_to_end(&mut content);
                read.map(|_| content).map_err(|error| error.to_string())
            }
            other => Err(format!("the encoding {other} is none of cloud-init's")),
        }
    }
}

/// A path of the instance, in the folder that is its root.
pub(super) fn rerooted(root: &Path, path: &Path) -> Result<PathBuf, String> {
    let mut rerooted = root.to_owned();
    let mut components = path.components();
    if components.next() != Some(Component::RootDir) {
        return Err(format!("{} is no absolute path", path.display()));
    }
    for component in components {
        let Component::Normal(name) = component else {
            return Err(format!("{} leaves its folder", path.display()));
        };
        rerooted.push(name);
    }
    Ok(rerooted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;
    use std::io::Write;

    fn user_data(files: serde_json::Value) -> Result<UserData, String> {
        let body = json!({"write_files": files, "runcmd": [["systemctl", "start", "treza-host"]]});
        UserData::read(format!("#cloud-config\n{body}").as_bytes())
    }

    #[test]
    fn files_are_written_under_the_root_in_each_encoding() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(b"packed").unwrap();
        let data = user_data(json!([
            {"path": "/etc/treza/host.toml", "content": "plain", "permissions": "0600", "owner": "root:root"},
            {"path": "/b", "content": STANDARD.encode("encoded"), "encoding": "b64"},
            {"path": "/c", "content": STANDARD.encode(packed.finish().unwrap()), "encoding": "gz+b64", "defer": true},
        ]))
        .unwrap();
        let root = tempfile::tempdir().unwrap();
        data.write_files(root.path()).unwrap();
        let read = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
        assert_eq!(
            [read("etc/treza/host.toml"), read("b"), read("c")],
            ["plain", "encoded", "packed"]
        );
        let mode = fs::metadata(root.path().join("etc/treza/host.toml"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_cloud_init_or_ec2_would_not_take_is_refused() {
        assert!(UserData::read(b"#!/bin/sh\n").is_err());
        assert!(UserData::read(b"#cloud-config\n[").is_err());
        let long = format!("#cloud-config\n{}", json!({"x": "y".repeat(MOST_BYTES)}));
        assert!(
            UserData::read(long.as_bytes())
                .unwrap_err()
                .contains("EC2 takes 16384")
        );
        let root = tempfile::tempdir().unwrap();
        for file in [
            json!({"path": "etc/x", "content": ""}),
            json!({"path": "/etc/../../x", "content": ""}),
            json!({"path": "/x", "content": "!", "encoding": "b64"}),
            json!({"path": "/x", "content": "", "encoding": "rot13"}),
            json!({"path": "/x", "content": "", "permissions": "rw"}),
        ] {
            assert!(
                user_data(json!([file]))
                    .unwrap()
                    .write_files(root.path())
                    .is_err(),
                "{file}"
            );
        }
        assert!(user_data(json!([{"path": "/x", "appendd": true}])).is_err());
    }
}
