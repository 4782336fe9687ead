//! The whole estate: an emulated account, `terraform/base` and `terraform/runtime` applied to it with the programs as they
//! were built, and what AWS does between them.

use super::artifacts::{Artifacts, Runner};
use super::packages::lambda_program;
use super::{
    Account, Difference, Emulated, Functions, Instances, InstancesOptions, Inventory, LambdaService,
    Schedules, ServiceOptions, Streams,
};
use crate::programs::{Answer, top};
use nsm::development::Authority;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
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
    runner: Runner,
    artifacts: Artifacts,
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
        let runner = Runner::new(&at("runner"));
        let emulated = Emulated::start(
            &at("account"),
            port,
            Some(&lambda.endpoint()),
            Some(runner.program()),
        );
        let empty = Inventory::of(&account, &[]).await.unwrap();
        let artifacts = Artifacts::make(&at("artifacts"), authority.certificate_pem());
        timed("base", || apply("base", emulated.folder()));
        apply_runtime(&emulated, &artifacts.variables());
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
            runner,
            artifacts,
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

    /// The bundles that rows may run with: the one for new rows, and another.
    pub fn bundles(&self) -> [&str; 2] {
        self.artifacts.bundles()
    }

    /// Takes another bundle for new rows; the one before stays for those that run with it.
    pub fn upgrade(&self) {
        apply_runtime(&self.emulated, &self.artifacts.upgraded());
    }

    /// Puts everything back that was changed of the estate, as Terraform made it at first.
    pub fn put_back(&self) {
        self.runner.does("");
        apply_runtime(&self.emulated, &self.artifacts.variables());
    }

    /// Lets the runner's tasks begin with these lines of shell from now on.
    pub fn runner_does(&self, lines: &str) {
        self.runner.does(lines);
    }

    /// Gives a function so many seconds from now on, and answers how many it had.
    pub async fn limit_function(&self, name: &str, seconds: u64) -> u64 {
        let path = format!("/2015-03-31/functions/{}-{name}/configuration", Self::PREFIX);
        let account = self.account();
        let before = account.get_json("lambda", &path).await.unwrap();
        let limit = json!({ "Timeout": seconds });
        account.put_json("lambda", &path, &limit).await.unwrap();
        before["Timeout"].as_u64().unwrap()
    }

    /// Gives a state of a machine so many seconds from now on, and answers how many it had.
    pub async fn limit_state(&self, machine: &str, state: &str, seconds: u64) -> u64 {
        let states = async |operation: &str, body: Value| {
            let target = format!("AWSStepFunctions.{operation}");
            self.account().json("states", &target, &body).await.unwrap()
        };
        let machines = states("ListStateMachines", json!({})).await;
        let name = format!("{}-{machine}", Self::PREFIX);
        let mut machines = machines["stateMachines"].as_array().unwrap().iter();
        let arn = machines.find(|one| one["name"] == name).unwrap()["stateMachineArn"].clone();
        let described = states("DescribeStateMachine", json!({ "stateMachineArn": arn })).await;
        let mut definition: Value = serde_json::from_str(described["definition"].as_str().unwrap()).unwrap();
        let limit = definition["States"][state]["TimeoutSeconds"].take();
        definition["States"][state]["TimeoutSeconds"] = seconds.into();
        let changed = json!({"stateMachineArn": arn, "definition": definition.to_string()});
        states("UpdateStateMachine", changed).await;
        limit.as_u64().unwrap()
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

fn apply_runtime(emulated: &Emulated, variables: &Value) {
    fs::write(emulated.folder().join("runtime.json"), variables.to_string()).unwrap();
    timed("runtime", || apply("runtime", emulated.folder()));
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
