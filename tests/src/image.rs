//! Small images: one static program each.

use crate::programs::{run, target};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const MUSL: &str = "x86_64-unknown-linux-musl";

/// An image to be made. The program is `/program` in it.
#[derive(Debug, Clone)]
pub struct Image {
    /// The program's file on this machine.
    pub program: PathBuf,
    /// The entrypoint; none: the image has neither entrypoint nor command.
    pub entrypoint: Vec<String>,
    /// Its labels, `name=value`.
    pub labels: Vec<String>,
    /// Bytes of noise beside the program, to make it large.
    pub ballast: usize,
}

impl Image {
    /// An image whose entrypoint is the tests' application with these words.
    pub fn of_application(words: &[&str]) -> Self {
        Self {
            program: application(),
            entrypoint: entrypoint(words),
            labels: Vec::new(),
            ballast: 0,
        }
    }

    /// An image of nsm-probe, with these labels.
    pub fn of_nsm_probe(labels: &[&str]) -> Self {
        Self {
            program: nsm_probe(),
            entrypoint: entrypoint(&[]),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            ballast: 0,
        }
    }
}

fn entrypoint(words: &[&str]) -> Vec<String> {
    ["/program"]
        .iter()
        .chain(words)
        .map(|word| (*word).to_owned())
        .collect()
}

/// The tests' application, compiled once for a run of the tests.
pub fn application() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let folder = target().join("tmp/end-to-end");
            std::fs::create_dir_all(&folder).unwrap();
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("application/main.rs");
            let program = folder.join("application");
            let options = [
                "--edition=2024",
                "--target",
                MUSL,
                "-Copt-level=s",
                "-Cpanic=abort",
                "-Cstrip=symbols",
                "-o",
            ];
            let options = options.iter().map(Path::new);
            run("rustc", options.chain([program.as_path(), source.as_path()]));
            program
        })
        .clone()
}

/// The agent's example `nsm-probe`, which is built beforehand.
pub fn nsm_probe() -> PathBuf {
    let program = target().join(MUSL).join("agent/examples/nsm-probe");
    assert!(
        program.is_file(),
        "{} is missing: scripts/agent.sh --example nsm-probe",
        program.display()
    );
    program
}

/// Writes `image` as an OCI layout into the new folder `layout`; answers its reference, `LAYOUT:latest`.
pub fn layout(image: &Image, layout: &Path) -> String {
    let tagged = format!("{}:latest", layout.display());
    let umoci = |words: &[&str]| run("umoci", words);
    umoci(&["init", "--layout", layout.to_str().unwrap()]);
    umoci(&["new", "--image", &tagged]);
    let root = tempfile::tempdir().unwrap();
    std::fs::copy(&image.program, root.path().join("program")).unwrap();
    if image.ballast > 0 {
        let noise = std::fs::File::open("/dev/urandom")
            .unwrap()
            .take(image.ballast as u64);
        let mut file = std::fs::File::create(root.path().join("noise")).unwrap();
        std::io::copy(&mut { noise }, &mut file).unwrap();
    }
    let layer = root.path().with_extension("tar");
    let (from, to) = (root.path().to_str().unwrap(), layer.to_str().unwrap());
    run(
        "tar",
        [
            "--create",
            "--owner=0",
            "--group=0",
            "--directory",
            from,
            "--file",
            to,
            ".",
        ],
    );
    umoci(&["raw", "add-layer", "--image", &tagged, to]);
    std::fs::remove_file(&layer).unwrap();
    let mut config = vec!["config".to_owned(), "--image".to_owned(), tagged.clone()];
    for word in &image.entrypoint {
        config.push(format!("--config.entrypoint={word}"));
    }
    for label in &image.labels {
        config.push(format!("--config.label={label}"));
    }
    if config.len() > 3 {
        run("umoci", config);
    }
    tagged
}
