//! References: `registry/name:tag`, `…@sha256:…`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE`.
use std::{fmt, path::PathBuf, str::FromStr};

use oci_spec::distribution::{ParseError, Reference};

use super::Error;
use crate::digest::Digest;

/// The longest reference, in bytes.
const MAX_LENGTH: usize = 4096;

/// Names an image, with or without its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRef {
    location: Location,
    digest: Option<Digest>,
}

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In a registry.
    Registry(Reference),
    /// In a folder of the OCI image layout.
    OciDir {
        /// The folder.
        path: PathBuf,
        /// The name of the image in the layout's index.
        tag: Option<String>,
    },
    /// In a tar archive of an OCI image layout.
    OciArchive {
        /// The archive.
        path: PathBuf,
        /// The name of the image in the layout's index.
        tag: Option<String>,
    },
    /// In a tar archive as `docker save` writes it.
    DockerArchive {
        /// The archive.
        path: PathBuf,
    },
}

impl ImageRef {
    /// Where the image is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The digest in the reference: of the image, or of an index that has it.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Whether the image is in a registry, not in a file of this machine.
    pub fn is_remote(&self) -> bool {
        matches!(self.location, Location::Registry(_))
    }

    /// The same reference, pinned to a digest.
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            location: self.location.clone(),
            digest: Some(digest),
        }
    }
}

impl FromStr for ImageRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |problem: &str| Error::Reference(contract::fault::printable(text, 200), problem.into());
        if text.len() > MAX_LENGTH || text.contains(|character: char| character.is_control()) {
            return Err(refuse("it is too long or has control characters"));
        }
        let (name, digest) = match text.rsplit_once('@') {
            Some((name, digest)) if digest.starts_with("sha256:") => (
                name,
                Some(
                    digest
                        .parse()
                        .map_err(|_| refuse("its digest is not sha256: and 64 hexadecimal digits"))?,
                ),
            ),
            _ => (text, None),
        };
        let location = if let Some(rest) = name.strip_prefix("oci:") {
            let (path, tag) = split_tag(rest);
            Location::OciDir { path, tag }
        } else if let Some(rest) = name.strip_prefix("oci-archive:") {
            let (path, tag) = split_tag(rest);
            Location::OciArchive { path, tag }
        } else if let Some(path) = name.strip_prefix("docker-archive:") {
            Location::DockerArchive { path: path.into() }
        } else {
            Location::Registry(
                name.parse()
                    .map_err(|error: ParseError| refuse(&error.to_string()))?,
            )
        };
        match &location {
            Location::OciDir { path, .. }
            | Location::OciArchive { path, .. }
            | Location::DockerArchive { path }
                if path.as_os_str().is_empty() =>
            {
                Err(refuse("it names no file"))
            }
            Location::Registry(name) if name.digest().is_some() => Err(refuse("its digest is not sha256")),
            _ => Ok(Self { location, digest }),
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tagged = |tag: &Option<String>| tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        match &self.location {
            Location::Registry(name) => write!(f, "{name}")?,
            Location::OciDir { path, tag } => write!(f, "oci:{}{}", path.display(), tagged(tag))?,
            Location::OciArchive { path, tag } => write!(f, "oci-archive:{}{}", path.display(), tagged(tag))?,
            Location::DockerArchive { path } => write!(f, "docker-archive:{}", path.display())?,
        }
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

/// A path, and what follows a colon in its last part.
fn split_tag(text: &str) -> (PathBuf, Option<String>) {
    match text.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') && !tag.is_empty() => (path.into(), Some(tag.into())),
        _ => (text.into(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_kind() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (text, spelled) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("127.0.0.1:5000/a/b:1", "127.0.0.1:5000/a/b:1"),
            ("oci:/tmp/x", "oci:/tmp/x"),
            ("oci:dir/x:v1", "oci:dir/x:v1"),
            ("oci-archive:x.tar", "oci-archive:x.tar"),
            ("docker-archive:/a:b/x.tar", "docker-archive:/a:b/x.tar"),
        ] {
            assert_eq!(text.parse::<ImageRef>().unwrap().to_string(), spelled);
            let pinned: ImageRef = format!("{text}@{digest}").parse().unwrap();
            assert_eq!(pinned.digest().unwrap().to_string(), digest);
            assert_eq!(pinned.to_string(), format!("{spelled}@{digest}"));
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for bad in [
            "",
            "oci:",
            "docker-archive:",
            "a/UPPER",
            "a b",
            "x@sha256:00",
            "x\ny",
            "x@sha512:00",
        ] {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn hostile_references_are_an_error_at_worst(text in ".{0,100}") {
            if let Ok(image) = text.parse::<ImageRef>() {
                prop_assert_eq!(image.to_string().parse::<ImageRef>().unwrap(), image);
            }
        }
    }
}
