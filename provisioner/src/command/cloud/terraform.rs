//! Terraform, run for a person: what it says goes to standard error as it says it.

use super::super::{Error, Global};
use super::Common;
use super::account::Account;
use super::interrupt::Interrupts;
use super::plan::{Changes, Plan};
use super::variables;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempPath;
use tokio::process::Command;

/// What makes base keep its state in a file: Terraform takes it over the backend that the module names.
const OVERRIDE: &str = "base/backend_override.tf";

/// Terraform over the root modules of a folder, for one environment.
pub(super) struct Terraform {
    folder: PathBuf,
    data: PathBuf,
    /// The environment's own file of variables.
    pub(super) file: PathBuf,
    /// Of the functions: what the files of variables say, or runtime's default.
    pub(super) architecture: String,
    region: String,
    variables: Vec<OsString>,
    environment: Vec<(&'static str, String)>,
    emulated: bool,
    interrupts: Interrupts,
}

/// Where a root module keeps its state.
#[derive(Debug, Clone, Copy)]
pub(super) enum Backend<'a> {
    /// In the bucket of this name.
    Bucket(&'a str),
    /// In a file of this environment's own: base, while there is no bucket.
    File,
}

impl Terraform {
    pub(super) fn find(common: &Common, global: &Global, name: &str) -> Result<Self, Error> {
        let folder = absolute(&common.terraform)?;
        let file = folder.join("environments").join(format!("{name}.tfvars"));
        if !file.is_file() {
            return Err(Error::Refused(format!(
                "{} is missing: run in the project's folder, or give --terraform; a new environment begins as a copy of \
                 dev.tfvars",
                file.display()
            )));
        }
        let (mut given, mut architecture) = (Vec::new(), "arm64".to_owned());
        for file in std::iter::once(&file).chain(&common.var_file) {
            let file = absolute(file)?;
            variables::check(&file, name, &global.region)?;
            architecture = variables::architecture(&file)?.unwrap_or(architecture);
            given.push(flag("-var-file=", &file));
        }
        given.push(format!("-var=region={}", global.region).into());
        if common.emulated {
            given.push("-var=emulated=true".into());
        }
        let mut environment = vec![
            ("AWS_REGION", global.region.clone()),
            ("TF_INPUT", "0".to_owned()),
            // Its advice which of its own commands comes next is not this command's user's.
            ("TF_IN_AUTOMATION", "1".to_owned()),
        ];
        environment.extend(global.profile.clone().map(|profile| ("AWS_PROFILE", profile)));
        let interrupts = Interrupts::listen()
            .map_err(|error| Error::CouldNot(format!("signals cannot be listened to: {error}")))?;
        // It stands beside the modules.
        let data = folder.join(".treza").join(name);
        Ok(Self {
            folder,
            data,
            file,
            architecture,
            region: global.region.clone(),
            variables: given,
            environment,
            emulated: common.emulated,
            interrupts,
        })
    }

    /// What is kept between two runs is this environment's in this account and region: what was begun in one is no
    /// beginning in another, where Terraform would find nothing of it and forget it.
    pub(super) fn keep_for(&mut self, account: &Account) {
        self.data.push(format!("{}-{}", account.id, account.region));
    }

    /// The file `name` in what is kept for this environment.
    pub(super) fn kept(&self, name: &str) -> Result<PathBuf, Error> {
        std::fs::create_dir_all(&self.data).map_err(|error| failed(&self.data, &error))?;
        Ok(self.data.join(name))
    }

    /// The file of base's state, while that is in no bucket.
    pub(super) fn state_file(&self) -> PathBuf {
        self.data.join("base.tfstate")
    }

    /// Forgets that file: the bucket has its content, or there is nothing left that it could be about.
    pub(super) fn forget_state_file(&self) -> Result<(), Error> {
        remove(&self.state_file().with_extension("tfstate.backup"))?;
        remove(&self.state_file())
    }

    /// Connects a root module to its state.
    pub(super) async fn connect(&self, root: &str, backend: Backend<'_>) -> Result<(), Error> {
        self.init(root, backend, &["-reconfigure"]).await
    }

    /// The same, with the state taken along from where it was.
    pub(super) async fn migrate(&self, root: &str, backend: Backend<'_>) -> Result<(), Error> {
        self.init(root, backend, &["-migrate-state", "-force-copy"]).await
    }

    async fn init(&self, root: &str, backend: Backend<'_>, how: &[&str]) -> Result<(), Error> {
        let mut arguments = arguments(&["init"]);
        arguments.extend(how.iter().map(OsString::from));
        let file = self.folder.join(OVERRIDE);
        match backend {
            Backend::File => {
                self.kept("")?;
                let path = Value::from(self.state_file().to_string_lossy());
                let text = format!("terraform {{\n  backend \"local\" {{\n    path = {path}\n  }}\n}}\n");
                std::fs::write(&file, text).map_err(|error| failed(&file, &error))?;
            }
            Backend::Bucket(bucket) => {
                // A run that was cut off may have left it.
                remove(&file)?;
                arguments.extend(self.settings(root, bucket));
            }
        }
        self.run(root, &arguments).await
    }

    fn settings(&self, root: &str, bucket: &str) -> Vec<OsString> {
        // No word of encryption: the bucket's own is with the states' key, and what is asked for here would go before it.
        let mut settings = vec![
            format!("bucket={bucket}"),
            format!("key={root}.tfstate"),
            format!("region={}", self.region),
            "use_lockfile=true".to_owned(),
        ];
        if self.emulated {
            settings.push("use_path_style=true".to_owned());
        }
        let setting = |setting| format!("-backend-config={setting}").into();
        settings.into_iter().map(setting).collect()
    }

    /// Plans, and shows the plan.
    pub(super) async fn plan(&self, root: &str, more: &[OsString]) -> Result<Plan, Error> {
        let path = self.kept(&format!("{root}.plan"))?;
        let file = TempPath::try_from_path(&path).map_err(|error| failed(&path, &error))?;
        let mut arguments = arguments(&["plan"]);
        arguments.push(flag("-out=", &file));
        arguments.extend(self.variables.iter().cloned());
        arguments.extend(more.iter().cloned());
        self.run(root, &arguments).await?;
        let shown = self
            .read(root, &["show".into(), "-json".into(), (&*file).into()])
            .await?;
        let changes = Changes::of(&shown);
        Ok(Plan { file, changes })
    }

    /// Plans the end of all that there is.
    pub(super) async fn plan_destroy(&self, root: &str) -> Result<Plan, Error> {
        let mut more = vec!["-destroy".into()];
        if root == "runtime" {
            // Terraform asks for these, and makes nothing of them: what was deployed need not be on this machine.
            let (file, digest) = (&self.file, format!("sha256:{}", "0".repeat(64)));
            let variables = json!({
                "lambda_zip": file, "host_package": file, "bundles": [{"digest": digest, "file": file}],
                "runner_image": format!("none@{digest}"),
            });
            let written = self.kept("destroy.tfvars.json")?;
            std::fs::write(&written, variables.to_string()).map_err(|error| failed(&written, &error))?;
            more.push(flag("-var-file=", &written));
        }
        self.plan(root, &more).await
    }

    /// Applies a plan, this very one.
    pub(super) async fn apply(&self, root: &str, plan: Plan) -> Result<(), Error> {
        let mut arguments = arguments(&["apply", "-parallelism=20"]);
        arguments.push((&*plan.file).into());
        self.run(root, &arguments).await
    }

    /// The outputs of a root module; none of one that does not stand whole. (The output that is called as the module itself
    /// hangs on all of it.)
    pub(super) async fn outputs(&self, root: &str) -> Result<Option<Value>, Error> {
        let outputs = self.read(root, &arguments(&["output", "-json"])).await?;
        Ok(Some(outputs).filter(|outputs| outputs.get(root).is_some()))
    }

    /// Whether there is anything of a root module, whole or not.
    pub(super) async fn has_anything(&self, root: &str) -> Result<bool, Error> {
        let state = self.read(root, &arguments(&["show", "-json"])).await?;
        Ok(state.get("values").is_some())
    }

    /// Runs what answers JSON.
    async fn read(&self, root: &str, arguments: &[OsString]) -> Result<Value, Error> {
        let what = words(arguments);
        let mut command = self.command(root, arguments);
        let terraform = command.stdout(Stdio::piped()).spawn().map_err(not_started)?;
        let passed_on = self.interrupts.to(&terraform);
        let output = terraform.wait_with_output().await.map_err(not_started)?;
        drop(passed_on);
        self.check_interrupted()?;
        if !output.status.success() {
            return Err(Error::CouldNot(format!(
                "terraform {what} of {root} failed: see above"
            )));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| {
            Error::CouldNot(format!(
                "what terraform {what} of {root} says does not read: {error}"
            ))
        })
    }

    async fn run(&self, root: &str, arguments: &[OsString]) -> Result<(), Error> {
        let what = words(arguments);
        eprintln!("==> terraform {what} ({root})");
        let mut command = self.command(root, arguments);
        // A program's own output stays its result.
        let terraform = command.stdout(std::io::stderr()).spawn();
        let mut terraform = terraform.map_err(not_started)?;
        let passed_on = self.interrupts.to(&terraform);
        let status = terraform.wait().await.map_err(not_started)?;
        drop(passed_on);
        self.check_interrupted()?;
        if status.success() {
            return Ok(());
        }
        Err(Error::CouldNot(format!(
            "terraform {what} of {root} failed: what it says stands above; the same command goes on from there"
        )))
    }

    /// Nothing more is begun once Terraform was asked to end, whatever came of it.
    fn check_interrupted(&self) -> Result<(), Error> {
        if self.interrupts.told() {
            return Err(Error::CouldNot(
                "interrupted: what is made is noted; the same command goes on from there".into(),
            ));
        }
        Ok(())
    }

    fn command(&self, root: &str, arguments: &[OsString]) -> Command {
        let mut command = Command::new("terraform");
        command
            .arg(flag("-chdir=", &self.folder.join(root)))
            .args(arguments)
            .env("TF_DATA_DIR", self.data.join(root))
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            // What a terminal tells goes through `Interrupts`; and where the terminal itself goes, Terraform ends its work.
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

impl Drop for Terraform {
    /// Another environment's run, or a person's own, is not to find it.
    fn drop(&mut self) {
        let _ = remove(&self.folder.join(OVERRIDE));
    }
}

fn arguments(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// Which of Terraform's commands these arguments are of.
fn words(arguments: &[OsString]) -> String {
    arguments
        .first()
        .map(|what| what.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn flag(name: &str, value: &Path) -> OsString {
    let mut flag = OsString::from(name);
    flag.push(value);
    flag
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|error| Error::Refused(format!("{}: {error}", path.display())))
}

fn remove(file: &Path) -> Result<(), Error> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(file, &error)),
        _ => Ok(()),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::CouldNot(format!("{}: {error}", path.display()))
}

fn not_started(error: std::io::Error) -> Error {
    Error::CouldNot(format!(
        "terraform cannot be started: {error}: install Terraform 1.10 or later, and put it in PATH"
    ))
}
