//! What the enclave knows of its image: `treza/image.json`, a measured file of the application's ramdisk.
//!
//! The builder writes it and the agent obeys it. It is covered by PCR0 and PCR2, so the image digest in it is not the
//! host's word.
use serde::{Deserialize, Serialize};

/// The path of the description in the application's ramdisk.
pub const PATH: &str = "treza/image.json";
/// The folder of the application's ramdisk under which the image's own files stand.
pub const ROOT: &str = "rootfs";
/// The largest description, in bytes, that is written or read.
pub const MAX_BYTES: usize = 1 << 20;
/// The most arguments, environment entries, groups, ports or extended attributes in one list.
const MAX_ITEMS: usize = 16_384;

/// An image's description, as the enclave's agent needs it to start the application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageDescription {
    /// The version of this format.
    pub format: Format,
    /// The image's digest: `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// The image's entrypoint; together with `cmd` the application's command line, never empty.
    pub entrypoint: Vec<String>,
    /// The image's command: the arguments after the entrypoint, or all of the command line without one.
    pub cmd: Vec<String>,
    /// The image's environment, each `NAME=value`.
    pub env: Vec<String>,
    /// The application's working directory, absolute within the image.
    pub working_dir: String,
    /// Whom the application runs as.
    pub user: User,
    /// The TCP ports that the image says it listens on, ascending.
    pub exposed_ports: Vec<u16>,
    /// The signal that ends the application in good order: a name such as `SIGTERM`, or a number.
    pub stop_signal: String,
    /// Whether the image asks for /dev/nsm (its label `treza.nsm` is `true`).
    pub nsm: bool,
    /// Extended attributes, which a cpio archive cannot carry, for the agent to set.
    pub xattrs: Vec<Xattr>,
}

/// The version of the description's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Version 1.
    #[serde(rename = "treza/image/1")]
    V1,
}

/// Whom the application runs as: numbers, resolved in the image's own passwd and group files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The primary group's number.
    pub gid: u32,
    /// The supplementary groups' numbers, ascending.
    pub groups: Vec<u32>,
    /// The home directory; `/` where the image names none.
    pub home: String,
}

/// One extended attribute of one file of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Xattr {
    /// The file's path within the image, without a leading slash.
    pub path: String,
    /// The attribute's name, such as `security.capability`.
    pub name: String,
    /// The attribute's value; hexadecimal in JSON.
    #[serde(with = "hex")]
    pub value: Vec<u8>,
}

/// Why a description is refused.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Longer than [`MAX_BYTES`].
    #[error(
        "the image's description has {0} bytes; at most {MAX_BYTES} are allowed: does the image set extended attributes on very many files?"
    )]
    TooLong(usize),
    /// Not JSON of this shape.
    #[error("the image's description is not valid: {0}")]
    Json(#[from] serde_json::Error),
    /// A field that breaks its rule.
    #[error("the image's description is not valid: {field}: {rule}")]
    Field {
        /// The field's name in JSON.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
}

impl ImageDescription {
    /// Reads a description, strictly: at most [`MAX_BYTES`], no unknown field, every field within its bounds.
    pub fn parse(json: &[u8]) -> Result<Self, ImageError> {
        if json.len() > MAX_BYTES {
            return Err(ImageError::TooLong(json.len()));
        }
        let description: Self = serde_json::from_slice(json)?;
        description.check()?;
        Ok(description)
    }

    /// The canonical JSON: fields in their order here, no white space. The same description has one spelling.
    pub fn to_json(&self) -> Result<Vec<u8>, ImageError> {
        self.check()?;
        let json = serde_json::to_vec(self)?;
        if json.len() > MAX_BYTES {
            return Err(ImageError::TooLong(json.len()));
        }
        Ok(json)
    }

    /// The application's command line: entrypoint, then command.
    pub fn command_line(&self) -> impl Iterator<Item = &str> {
        self.entrypoint.iter().chain(&self.cmd).map(String::as_str)
    }

    fn check(&self) -> Result<(), ImageError> {
        rule(
            "digest",
            is_digest(&self.digest),
            "must be sha256: and 64 lowercase hexadecimal digits",
        )?;
        rule(
            "entrypoint",
            is_strings(&self.entrypoint),
            "must be at most 16384 strings without NUL",
        )?;
        rule(
            "cmd",
            is_strings(&self.cmd),
            "must be at most 16384 strings without NUL",
        )?;
        let program = self.command_line().next().unwrap_or_default();
        rule(
            "entrypoint",
            !program.is_empty(),
            "it and cmd are both empty: nothing to start",
        )?;
        rule(
            "env",
            is_strings(&self.env),
            "must be at most 16384 strings without NUL",
        )?;
        rule(
            "env",
            self.env
                .iter()
                .all(|entry| entry.find('=').is_some_and(|at| at > 0)),
            "must be NAME=value",
        )?;
        rule(
            "workingDir",
            is_absolute(&self.working_dir),
            "must be an absolute path without NUL",
        )?;
        rule(
            "user.home",
            is_absolute(&self.user.home),
            "must be an absolute path without NUL",
        )?;
        rule(
            "user.groups",
            is_ascending(&self.user.groups),
            "must be at most 16384 numbers, ascending",
        )?;
        rule(
            "exposedPorts",
            is_ascending(&self.exposed_ports),
            "must be at most 16384 numbers, ascending",
        )?;
        rule(
            "exposedPorts",
            !self.exposed_ports.contains(&0),
            "must not contain 0",
        )?;
        rule(
            "stopSignal",
            is_signal(&self.stop_signal),
            "must be a signal's name or number",
        )?;
        rule("xattrs", self.xattrs.len() <= MAX_ITEMS, "must be at most 16384")?;
        rule(
            "xattrs",
            self.xattrs.iter().all(Xattr::is_sound),
            "need a relative path that stays inside, and a name",
        )
    }
}

impl Xattr {
    fn is_sound(&self) -> bool {
        !self.path.split('/').any(|part| part == "..")
            && !self.path.starts_with('/')
            && !self.path.contains('\0')
            && !self.name.is_empty()
            && !self.name.contains('\0')
    }
}

fn rule(field: &'static str, kept: bool, rule: &'static str) -> Result<(), ImageError> {
    if kept {
        Ok(())
    } else {
        Err(ImageError::Field { field, rule })
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64
            && hex
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

fn is_strings(list: &[String]) -> bool {
    list.len() <= MAX_ITEMS && !list.iter().any(|text| text.contains('\0'))
}

fn is_absolute(path: &str) -> bool {
    path.starts_with('/') && path.len() <= 4096 && !path.contains('\0')
}

fn is_ascending<T: PartialOrd>(list: &[T]) -> bool {
    list.len() <= MAX_ITEMS && list.is_sorted_by(|a, b| a < b)
}

fn is_signal(text: &str) -> bool {
    (1..=16).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> ImageDescription {
        ImageDescription {
            format: Format::V1,
            digest: format!("sha256:{}", "ab".repeat(32)),
            entrypoint: vec!["/docker-entrypoint.sh".into()],
            cmd: vec!["nginx".into(), "-g".into(), "daemon off;".into()],
            env: vec!["PATH=/usr/bin:/bin".into()],
            working_dir: "/".into(),
            user: User {
                uid: 33,
                gid: 33,
                groups: vec![4, 33],
                home: "/var/www".into(),
            },
            exposed_ports: vec![80, 443],
            stop_signal: "SIGQUIT".into(),
            nsm: false,
            xattrs: vec![Xattr {
                path: "bin/ping".into(),
                name: "security.capability".into(),
                value: vec![1, 0, 10],
            }],
        }
    }

    #[test]
    fn has_one_spelling_and_is_read_back() {
        let json = example().to_json().unwrap();
        let expected = format!(
            r#"{{"format":"treza/image/1","digest":"sha256:{}","entrypoint":["/docker-entrypoint.sh"],"cmd":["nginx","-g","daemon off;"],"env":["PATH=/usr/bin:/bin"],"workingDir":"/","user":{{"uid":33,"gid":33,"groups":[4,33],"home":"/var/www"}},"exposedPorts":[80,443],"stopSignal":"SIGQUIT","nsm":false,"xattrs":[{{"path":"bin/ping","name":"security.capability","value":"01000a"}}]}}"#,
            "ab".repeat(32)
        );
        assert_eq!(String::from_utf8(json.clone()).unwrap(), expected);
        assert_eq!(ImageDescription::parse(&json).unwrap(), example());
    }

    #[test]
    fn refuses_what_breaks_a_rule() {
        let broken: [fn(&mut ImageDescription); 9] = [
            |image| image.digest = "sha256:00".into(),
            |image| (image.entrypoint, image.cmd) = (vec![], vec![]),
            |image| image.cmd.push("a\0b".into()),
            |image| image.env.push("=value".into()),
            |image| image.working_dir = "srv".into(),
            |image| image.user.groups = vec![5, 4],
            |image| image.exposed_ports = vec![0],
            |image| image.stop_signal = "SIG TERM".into(),
            |image| image.xattrs[0].path = "a/../../b".into(),
        ];
        for (number, spoil) in broken.iter().enumerate() {
            let mut image = example();
            spoil(&mut image);
            assert!(image.to_json().is_err(), "rule {number}");
            assert!(
                ImageDescription::parse(&serde_json::to_vec(&image).unwrap()).is_err(),
                "rule {number}"
            );
        }
    }

    #[test]
    fn refuses_unknown_fields_formats_and_lengths() {
        let json = String::from_utf8(example().to_json().unwrap()).unwrap();
        assert!(
            ImageDescription::parse(json.replacen("\"nsm\"", "\"more\":1,\"nsm\"", 1).as_bytes()).is_err()
        );
        assert!(ImageDescription::parse(json.replacen("image/1", "image/2", 1).as_bytes()).is_err());
        assert!(matches!(
            ImageDescription::parse(&vec![b' '; MAX_BYTES + 1]),
            Err(ImageError::TooLong(_))
        ));
    }
}
