//! The whole estate: an emulated account, `terraform/base` and `terraform/runtime` applied to it with the programs as they
//! were built, and what AWS does between them.

use super::packages::{functions_package, host_package, lambda_program};
use super::{
    Account, Difference, Emulated, Functions, Instances, InstancesOptions, Inventory, LambdaService,
    Schedules, ServiceOptions, Streams,
};
use crate::programs::{Answer, bundles, program, programs, run, target, top};
use nsm::development::Authority;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Processes of one function at once.
const CONCURRENCY: usize = 8;
/// How much faster than AWS's the schedules' clock goes.
const FASTER: u32 = 6;

/// An estate. It ends when it is dropped; [`Estate::destroy`] takes it down with Terraform first.
#[derive(Debug)]
pub struct Estate {
    // Ended in this order: enclaves and daemons, what calls functions, functions, the account, the files.
    instances: Instances,
    streams: Streams,
    schedules: Schedules,
    lambda: LambdaService,
    emulated: Emulated,
    /// What the account held before anything was made in it.
    empty: Inventory,
    folder: TempDir,
}

impl Estate {
    /// The environment's name.
    pub const ENVIRONMENT: &str = "dev";
    /// What the name of each thing in it begins with.
    pub const PREFIX: &str = "treza-dev";

    /// Builds one.
    pub async fn up() -> Self {
        let folder = tempfile::Builder::new().prefix("te.").tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("ca")).unwrap();
        let authority = Authority::open(&at("ca")).unwrap();
        let port = Emulated::free_port();
        let account = Emulated::account_at(port);
        let options = ServiceOptions {
            bootstrap: vec![lambda_program()],
            logs: at("functions"),
            aws_endpoint: Some(account.endpoint().to_owned()),
            concurrency: CONCURRENCY,
        };
        let lambda = LambdaService::start(Functions::Applied(account.clone()), options).await;
        let fargate = runner_image(&at("runner"));
        let emulated = Emulated::start(&at("account"), port, Some(&lambda.endpoint()), Some(&fargate));
        let empty = Inventory::of(&account, &[]).await.unwrap();
        let variables = artifacts(&at("artifacts"), authority.certificate_pem());
        fs::write(at("account/runtime.json"), variables.to_string()).unwrap();
        for step in ["base", "runtime"] {
            timed(step, || apply(step, emulated.folder()));
        }
        Self {
            instances: Instances::start(
                account.clone(),
                InstancesOptions {
                    folder: at("i"),
                    development_ca: at("ca"),
                },
            ),
            streams: Streams::start(account.clone(), lambda.invoker()),
            schedules: Schedules::start(account, lambda.invoker(), FASTER),
            lambda,
            emulated,
            empty,
            folder,
        }
    }

    /// Takes runtime and base down with Terraform, and answers how the account differs from an empty one.
    pub async fn destroy(self) -> Difference {
        // Nothing is to be started while its function goes.
        drop((self.instances, self.streams, self.schedules));
        for step in ["no-runtime", "no-base"] {
            timed(step, || apply(step, self.emulated.folder()));
        }
        let left = Inventory::of(self.emulated.account(), &[]).await.unwrap();
        self.empty.until(&left)
    }

    /// The account's APIs.
    pub fn account(&self) -> &Account {
        self.emulated.account()
    }

    /// The account.
    pub fn emulated(&self) -> &Emulated {
        &self.emulated
    }

    /// The instances.
    pub fn instances(&self) -> &Instances {
        &self.instances
    }

    /// The functions.
    pub fn lambda(&self) -> &LambdaService {
        &self.lambda
    }

    /// A folder for a test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The name of one of its tables: `enclaves`, `reports`, `turns`.
    pub fn table(&self, name: &str) -> String {
        format!("{}-{name}", Self::PREFIX)
    }

    /// What the equipment could not do as the account says.
    pub fn faults(&self) -> Vec<String> {
        [
            self.instances.faults(),
            self.streams.faults(),
            self.schedules.faults(),
        ]
        .concat()
    }

    /// The ends of all logs, for a test that fails.
    pub async fn logs(&self) -> String {
        let functions = fs::read_dir(self.folder.path().join("functions"))
            .into_iter()
            .flatten()
            .flatten();
        let functions = functions.map(|entry| {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            // Metrics say nothing of a failure.
            let lines: Vec<_> = text.lines().filter(|line| !line.contains("_aws")).collect();
            let text = lines.join("\n");
            format!("{}:\n{}", entry.file_name().to_string_lossy(), tail(&text, 12))
        });
        let tasks = self
            .emulated
            .task_logs()
            .into_iter()
            .map(|log| format!("a task:\n{}", tail(&log, 12)));
        let account = fs::read_to_string(self.emulated.folder().join("account.log")).unwrap_or_default();
        let hosts = tail(&self.instances.logs().await, 40);
        let all: Vec<_> = functions
            .chain(tasks)
            .chain([format!("account:\n{}", tail(&account, 12)), hosts])
            .collect();
        all.join("\n")
    }
}

/// The runner as its image would run it: with a folder of Terraform's module, without the module's tests as in the image,
/// and told where Terraform finds its provider.
fn runner_image(path: &Path) -> PathBuf {
    let module = path.with_extension("host");
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
    let script = format!(
        "#!/bin/sh\nexport TREZA_HOST_MODULE={module} TF_CLI_CONFIG_FILE={config} HOME=/tmp\nexec {runner} \"$@\"\n",
        module = module.display(),
        config = target().join("terraform.rc").display(),
        runner = programs().join("treza-runner").display(),
    );
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_owned()
}

/// What `terraform/runtime` is given: packages of the programs as they were built, the default bundle, and waits that suit
/// a test.
fn artifacts(folder: &Path, trust_root: &str) -> Value {
    fs::create_dir_all(folder).unwrap();
    let digest = default_bundle();
    let bundle = folder.join("bundle.tar");
    let mut export = program("treza-eif");
    export
        .args(["bundle", "export", &digest, "--output"])
        .arg(&bundle)
        .arg("--bundles")
        .arg(bundles());
    Answer::of(&mut export).good();
    json!({
        "lambda_zip": functions_package(folder), "host_package": host_package(folder), "architecture": "x86_64",
        "bundles": [{"digest": digest, "file": bundle}],
        "runner_image": format!("123456789012.dkr.ecr.us-west-2.amazonaws.com/treza-dev-runner@{digest}"),
        "driver": "emulator", "trust_roots": [trust_root], "ami_id": "ami-12c6146b",
        "evidence_wait": {"seconds": 1, "looks": 120}, "stop_wait": {"seconds": 1, "looks": 60},
    })
}

/// The digest of the store's default bundle.
fn default_bundle() -> String {
    let digest = fs::read_to_string(bundles().join("default")).expect("`make bundle`");
    digest.trim().to_owned()
}

fn apply(step: &str, account: &Path) {
    let script = top().join("scripts/estate/apply.sh");
    let answer = Answer::of(Command::new(script).arg(step).arg(account));
    let log = fs::read_to_string(account.join("account.log")).unwrap_or_default();
    let (said, log) = (tail(&answer.text(), 30), tail(&log, 30));
    assert_eq!(answer.code, 0, "{step}: {said}\nthe account:\n{log}");
}

fn timed(what: &str, work: impl FnOnce()) {
    let begun = Instant::now();
    tokio::task::block_in_place(work);
    println!(
        "estate: {what}: {:.0} s",
        begun.elapsed().max(Duration::from_millis(1)).as_secs_f64()
    );
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<_> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
