//! What `terraform/runtime` is given: the programs as they were built, packed as they are for AWS, and bundles.

use super::packages::{functions_package, host_package};
use crate::programs::{Answer, bundles, program, programs, run, target, top};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The files of an estate.
#[derive(Debug)]
pub(super) struct Artifacts {
    /// The default of `make bundle`, and one with the same kernel and agent and another command line: digest and file.
    bundles: [(String, PathBuf); 2],
    functions: PathBuf,
    host_package: PathBuf,
    trust_root: String,
}

impl Artifacts {
    pub(super) fn make(folder: &Path, trust_root: &str) -> Self {
        fs::create_dir_all(folder).unwrap();
        let default = digest_of_default(&bundles());
        let other = other_bundle(&default, &folder.join("bundles"));
        Self {
            bundles: [
                exported(&default, &bundles(), folder.join("bundle.tar")),
                exported(&other, &folder.join("bundles"), folder.join("other.tar")),
            ],
            functions: functions_package(folder),
            host_package: host_package(folder),
            trust_root: trust_root.to_owned(),
        }
    }

    /// The digests of both.
    pub(super) fn bundles(&self) -> [&str; 2] {
        self.bundles.each_ref().map(|(digest, _)| digest.as_str())
    }

    /// The variables of `terraform/runtime`, with waits that suit a test.
    pub(super) fn variables(&self) -> Value {
        let [default, other] = &self.bundles;
        self.variables_with([default, other])
    }

    /// The same, with the other bundle for new rows.
    pub(super) fn upgraded(&self) -> Value {
        let [default, other] = &self.bundles;
        self.variables_with([other, default])
    }

    fn variables_with(&self, bundles: [&(String, PathBuf); 2]) -> Value {
        let digest = &self.bundles[0].0;
        json!({
            "lambda_zip": self.functions, "host_package": self.host_package, "architecture": "x86_64",
            "bundles": bundles.map(|(digest, file)| json!({"digest": digest, "file": file})),
            "runner_image": format!("123456789012.dkr.ecr.us-west-2.amazonaws.com/treza-dev-runner@{digest}"),
            "driver": "emulator", "trust_roots": [self.trust_root], "ami_id": "ami-12c6146b",
            "evidence_wait": {"seconds": 1, "looks": 120}, "stop_wait": {"seconds": 1, "looks": 60},
        })
    }
}

/// The runner as its image would run it: with a folder of Terraform's module, without the module's tests as in the image,
/// and told where Terraform finds its provider.
#[derive(Debug)]
pub(super) struct Runner {
    program: PathBuf,
    module: PathBuf,
}

impl Runner {
    pub(super) fn new(program: &Path) -> Self {
        let module = program.with_extension("host");
        let without = ["-r", "--no-target-directory"].map(Path::new);
        run(
            "cp",
            without
                .into_iter()
                .chain([top().join("terraform/host").as_path(), &module]),
        );
        for left in ["tests", ".terraform"] {
            let _ = fs::remove_dir_all(module.join(left));
        }
        let runner = Self {
            program: program.to_owned(),
            module,
        };
        runner.does("");
        runner
    }

    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// Lets it do these lines of shell before it begins.
    pub(super) fn does(&self, lines: &str) {
        let script = format!(
            "#!/bin/sh\nexport TREZA_HOST_MODULE={module} TF_CLI_CONFIG_FILE={config} HOME=/tmp\n{lines}\n\
             exec {runner} \"$@\"\n",
            module = self.module.display(),
            config = target().join("terraform.rc").display(),
            runner = programs().join("treza-runner").display(),
        );
        fs::write(&self.program, script).unwrap();
        fs::set_permissions(&self.program, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// The digest of a store's default bundle.
fn digest_of_default(store: &Path) -> String {
    let digest = fs::read_to_string(store.join("default")).expect("`make bundle`");
    digest.trim().to_owned()
}

/// A bundle in the new store `store`, of the kernel of `digest` with the agent as it was built, and a parameter that changes
/// nothing but what it measures to.
fn other_bundle(digest: &str, store: &Path) -> String {
    let folder = bundles().join(digest.trim_start_matches("sha256:"));
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let manifest: Value = serde_json::from_str(&read("manifest.json")).unwrap();
    let mut create = program("treza-eif");
    create
        .args(["bundle", "create", "--default", "--cmdline"])
        .arg(format!("{} loglevel=3", read("cmdline").trim_end()))
        .args(["--machine", manifest["machine"].as_str().unwrap(), "--kernel"])
        .arg(folder.join("kernel"))
        .arg("--agent")
        .arg(target().join("x86_64-unknown-linux-musl/agent/treza-agent"))
        .arg("--bundles")
        .arg(store);
    Answer::of(&mut create).good();
    digest_of_default(store)
}

fn exported(digest: &str, store: &Path, file: PathBuf) -> (String, PathBuf) {
    let mut export = program("treza-eif");
    export
        .args(["bundle", "export", digest, "--output"])
        .arg(&file)
        .arg("--bundles")
        .arg(store);
    Answer::of(&mut export).good();
    (digest.to_owned(), file)
}
