//! An OCI registry on a free port, as `scripts/registry.sh` runs it.

use crate::image::{Image, layout};
use crate::programs::{run, top};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// A registry. It ends when it is dropped.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    folder: TempDir,
    /// `127.0.0.1:PORT`.
    pub address: String,
}

impl Registry {
    /// Starts one.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new(top().join("scripts/registry.sh"))
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut registry = Self {
            process,
            folder,
            address: String::new(),
        };
        let begun = Instant::now();
        while registry.address.is_empty() {
            assert!(begun.elapsed() < PATIENCE, "the registry does not come up");
            std::thread::sleep(Duration::from_millis(20));
            registry.address = fs::read_to_string(registry.folder.path().join("address"))
                .map(|text| text.trim().to_owned())
                .unwrap_or_default();
        }
        registry
    }

    /// Makes `image` and pushes it as `name`; answers its reference by tag.
    pub fn push(&self, name: &str, image: &Image) -> String {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(image, &folder.path().join(name));
        let reference = self.reference(name);
        run(
            "skopeo",
            [
                "copy",
                "--quiet",
                "--dest-tls-verify=false",
                &format!("oci:{layout}"),
                &format!("docker://{reference}"),
            ],
        );
        reference
    }

    /// The reference by tag that an image pushed as `name` has.
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}:latest", self.address)
    }

    /// The reference by digest of an image pushed as `name`.
    pub fn by_digest(&self, name: &str) -> String {
        let reference = format!("docker://{}", self.reference(name));
        let digest = run(
            "skopeo",
            [
                "inspect",
                "--tls-verify=false",
                "--format",
                "{{.Digest}}",
                &reference,
            ],
        );
        format!("{}/{name}@{}", self.address, digest.stdout.trim())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // The script ends its registry with it; what has ended already is no fault.
        let _ = Command::new("/bin/kill")
            .arg(self.process.id().to_string())
            .status();
        let _ = self.process.wait();
    }
}
