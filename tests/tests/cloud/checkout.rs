//! An empty account, and someone with a checkout of the project who runs `treza cloud` on it.

use crate::registry::Registry;
use end_to_end::estate::{Account, Difference, Emulated, Inventory, functions_package, host_package};
use end_to_end::programs::{Answer, program, run, target, top};
use end_to_end::{Image, layout};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Of Terraform, what `treza cloud` needs of a checkout; the machines stand beside it.
const TERRAFORM: [&str; 5] = ["base", "runtime", "host", "modules", "environments"];

/// The account and the checkout.
pub(crate) struct Checkout {
    pub(crate) registry: Registry,
    emulated: Emulated,
    folder: TempDir,
    /// What the account held before anything was done, as the estate's own scripts count, and as the tests do.
    before: PathBuf,
    empty: Inventory,
}

impl Checkout {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("tc.").tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let emulated = Emulated::start(&at("account"), Emulated::free_port(), None, None);
        let registry = Registry::start(&at("registry"), emulated.account()).await;
        copy_project(&at("project"));
        let checkout = Self {
            empty: Inventory::of(emulated.account(), &[]).await.unwrap(),
            before: at("before.json"),
            registry,
            emulated,
            folder,
        };
        fs::write(&checkout.before, checkout.count(&[]).good().stdout).unwrap();
        checkout
    }

    pub(crate) fn account(&self) -> &Account {
        self.emulated.account()
    }

    pub(crate) fn emulated(&self) -> &Emulated {
        &self.emulated
    }

    /// A file of the one who works here, or of the project: `project/terraform/…`.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What Terraform keeps between two commands.
    pub(crate) fn kept(&self, name: &str) -> PathBuf {
        self.at("project/terraform/.treza/dev/123456789012-us-west-2")
            .join(name)
    }

    /// `treza` with the account's credentials, in the project's folder, where nobody can be asked.
    pub(crate) fn treza(&self, words: &[&str]) -> Command {
        let mut command = program("treza");
        command.args(words).stdin(Stdio::null());
        self.surround(&mut command);
        command
    }

    /// `treza cloud` for dev.
    pub(crate) fn cloud(&self, words: &[&str]) -> Answer {
        let mut all = vec!["cloud", words[0], "--environment", "dev", "--emulated"];
        all.extend(&words[1..]);
        tokio::task::block_in_place(|| Answer::of(&mut self.treza(&all)))
    }

    /// The same, and the one object that it prints.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        self.cloud(&[words, &["--json"]].concat()).good().json()
    }

    /// The same at a terminal, at which these lines are typed; all that stands there in the end.
    pub(crate) fn typed(&self, lines: &str, words: &[&str]) -> Answer {
        let treza = self.treza(&[]);
        let mut all = vec!["cloud", words[0], "--environment", "dev", "--emulated"];
        all.extend(&words[1..]);
        let words: Vec<_> = all.iter().map(|word| format!("'{word}'")).collect();
        let line = format!("'{}' {}", treza.get_program().display(), words.join(" "));
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        script.env("TREZA_BUNDLES", self.at("bundles"));
        self.surround(&mut script);
        script
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        tokio::task::block_in_place(|| {
            let mut running = script.spawn().unwrap();
            let mut terminal = running.stdin.take().unwrap();
            terminal.write_all(lines.as_bytes()).unwrap();
            // Closed it would be an end of file at the next question.
            let output = running.wait_with_output().unwrap();
            drop(terminal);
            Answer {
                code: output.status.code().unwrap_or(-1),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::new(),
            }
        })
    }

    /// Terraform on a host's module, as the runner does it: `apply` or `destroy`, with these variables.
    pub(crate) fn host(&self, what: &str, state: &str, variables: &Value) {
        fs::write(self.at("host.json"), variables.to_string()).unwrap();
        let bucket = format!("-backend-config=bucket={}", state_bucket());
        let key = format!("-backend-config=key={state}");
        let file = format!("-var-file={}", self.at("host.json").display());
        let style = "-backend-config=use_path_style=true";
        for words in [
            vec![
                "init",
                "-reconfigure",
                &bucket,
                &key,
                "-backend-config=region=us-west-2",
                style,
            ],
            vec![what, "-auto-approve", &file],
        ] {
            let mut terraform = Command::new("terraform");
            terraform
                .arg(format!("-chdir={}", self.at("project/terraform/host").display()))
                .args(words)
                .env("TF_DATA_DIR", self.at("host-data"));
            self.surround(&mut terraform);
            tokio::task::block_in_place(|| Answer::of(&mut terraform)).good();
        }
    }

    /// All that the account holds now.
    pub(crate) async fn held(&self) -> Inventory {
        Inventory::of(self.account(), &[]).await.unwrap()
    }

    /// Nothing came into the account and nothing went since it was empty.
    pub(crate) async fn is_as_before(&self) {
        let difference: Difference = self.empty.until(&self.held().await);
        assert!(difference.is_none(), "{difference:#?}");
        self.count(&[self.before.to_str().unwrap()]).good();
    }

    fn count(&self, words: &[&str]) -> Answer {
        let mut python = Command::new(target().join("estate-venv/bin/python"));
        python.arg(top().join("scripts/estate/inventory.py")).args(words);
        self.surround(&mut python);
        tokio::task::block_in_place(|| Answer::of(&mut python))
    }

    fn surround(&self, command: &mut Command) {
        let path = std::env::var_os("PATH").unwrap();
        let folders = std::iter::once(self.registry.programs()).chain(std::env::split_paths(&path));
        command
            .current_dir(self.at("project"))
            .env("PATH", std::env::join_paths(folders).unwrap())
            .env("HOME", self.folder.path())
            .env("TREZA_BUNDLES", self.at("bundles"))
            .env("AWS_ENDPOINT_URL", self.account().endpoint())
            .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
            .envs([("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_REGION", "us-west-2")])
            .envs([("NO_PROXY", "127.0.0.1"), ("TF_CLI_ARGS", "-no-color")])
            .env("TF_CLI_CONFIG_FILE", target().join("terraform.rc"));
        for other in [
            "AWS_PROFILE",
            "AWS_SESSION_TOKEN",
            "TREZA_TERRAFORM_DIR",
            "TF_DATA_DIR",
        ] {
            command.env_remove(other);
        }
    }
}

/// The bucket that bootstrap makes for Terraform's states.
pub(crate) fn state_bucket() -> &'static str {
    "treza-dev-state-123456789012-us-west-2"
}

fn copy_project(project: &Path) {
    let terraform = project.join("terraform");
    fs::create_dir_all(&terraform).unwrap();
    fs::create_dir(project.join("provisioner")).unwrap();
    for name in TERRAFORM {
        copy(&top().join("terraform").join(name), &terraform);
    }
    copy(&top().join("provisioner/machines"), &project.join("provisioner"));
    // What is left of Terraform's runs there is no part of the project.
    for root in ["base", "runtime", "host"] {
        for left in [".terraform", ".terraform.lock.hcl", "tests"] {
            run("rm", [Path::new("-rf"), &terraform.join(root).join(left)]);
        }
    }
}

fn copy(from: &Path, into: &Path) {
    run("cp", [Path::new("-r"), from, into]);
}

/// What is deployed: packages of the programs as they were built, a bundle in a store, and an image that stands for the
/// runner's (what is looked at is its way, not what is in it).
pub(crate) struct Artifacts {
    pub(crate) lambda_zip: String,
    pub(crate) host_package: String,
    pub(crate) bundles: String,
    pub(crate) runner_image: String,
}

impl Artifacts {
    pub(crate) fn make(checkout: &Checkout) -> Self {
        let folder = checkout.at("artifacts");
        fs::create_dir(&folder).unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let bundles = checkout.at("bundles");
        make_bundle(&bundles, "first");
        Self {
            lambda_zip: text(functions_package(&folder)),
            host_package: text(host_package(&folder)),
            bundles: text(bundles),
            runner_image: format!(
                "oci:{}",
                layout(&Image::of_application(&["serve"]), &folder.join("runner"))
            ),
        }
    }

    /// As words of the command line.
    pub(crate) fn words(&self) -> Vec<&str> {
        vec![
            "--lambda-zip",
            &self.lambda_zip,
            "--host-package",
            &self.host_package,
            "--bundles",
            &self.bundles,
            "--runner-image",
            &self.runner_image,
        ]
    }
}

/// Makes a bundle that is the default of the store `bundles`, and no other's like; its digest.
pub(crate) fn make_bundle(bundles: &Path, word: &str) -> String {
    let agent = target().join("x86_64-unknown-linux-musl/agent/treza-agent");
    let default = fs::read_to_string(end_to_end::programs::bundles().join("default")).expect("`make bundle`");
    let default = default.trim().trim_start_matches("sha256:");
    let kernel = end_to_end::programs::bundles().join(default).join("kernel");
    let mut create = program("treza-eif");
    create
        .args(["bundle", "create", "--default", "--cmdline"])
        .arg(format!("console=ttyS0 treza={word}"))
        .args([Path::new("--kernel"), &kernel, Path::new("--agent"), &agent])
        .args([Path::new("--bundles"), bundles]);
    Answer::of(&mut create).good();
    fs::read_to_string(bundles.join("default"))
        .unwrap()
        .trim()
        .to_owned()
}
