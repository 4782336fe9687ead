//! What `terraform/runtime` is given: the programs as they were built, packed as they are for AWS, and a bundle.

use super::packages::{functions_package, host_package};
use crate::programs::{Answer, bundles, program, programs, run, target, top};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The files of an estate.
#[derive(Debug)]
pub(super) struct Artifacts {
    /// The default of `make bundle`, and its file.
    bundle: (String, PathBuf),
    functions: PathBuf,
    host_package: PathBuf,
    trust_root: String,
}

impl Artifacts {
    pub(super) fn make(folder: &Path, trust_root: &str) -> Self {
        fs::create_dir_all(folder).unwrap();
        let default = digest_of_default(&bundles());
        Self {
            bundle: exported(&default, &bundles(), folder.join("bundle.tar")),
            functions: functions_package(folder),
            host_package: host_package(folder),
            trust_root: trust_root.to_owned(),
        }
    }

    /// The variables of `terraform/runtime`, with waits that suit a test.
    pub(super) fn variables(&self) -> Value {
        let (digest, bundle) = &self.bundle;
        json!({
            "lambda_zip": self.functions, "host_package": self.host_package, "architecture": "x86_64",
            "bundles": [{"digest": digest, "file": bundle}],
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
