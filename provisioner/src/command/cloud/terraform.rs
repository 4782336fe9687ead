//! Terraform, run for a person: what it says goes to standard error as it says it.

use super::super::{Error, Global};
use super::Common;
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// Terraform over the root modules of a folder, for one environment.
pub(super) struct Terraform {
    folder: PathBuf,
    data: PathBuf,
    variables: Vec<OsString>,
    environment: Vec<(&'static str, String)>,
    emulated: bool,
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
        let mut variables: Vec<OsString> = vec![flag("-var-file=", &file)];
        for more in &common.var_file {
            variables.push(flag("-var-file=", &absolute(more)?));
        }
        variables.push(format!("-var=region={}", global.region).into());
        if common.emulated {
            variables.push("-var=emulated=true".into());
        }
        let mut environment = vec![
            ("AWS_REGION", global.region.clone()),
            ("TF_INPUT", "0".to_owned()),
        ];
        environment.extend(global.profile.clone().map(|profile| ("AWS_PROFILE", profile)));
        // What Terraform keeps between two runs is this environment's own: it stands beside the modules.
        let data = folder.join(".treza").join(name);
        Ok(Self {
            folder,
            data,
            variables,
            environment,
            emulated: common.emulated,
        })
    }

    /// The file `name` in what is kept for this environment.
    pub(super) fn kept(&self, name: &str) -> Result<PathBuf, Error> {
        std::fs::create_dir_all(&self.data)
            .map_err(|error| Error::CouldNot(format!("{}: {error}", self.data.display())))?;
        Ok(self.data.join(name))
    }

    /// Connects a root module to its state in `bucket`.
    pub(super) async fn init(&self, root: &str, bucket: &str, region: &str) -> Result<(), Error> {
        let mut arguments = arguments(&["init", "-reconfigure"]);
        arguments.extend(self.backend(root, bucket, region));
        self.run(root, &arguments).await
    }

    /// The same, with what stands in a local state taken along.
    pub(super) async fn migrate(&self, root: &str, bucket: &str, region: &str) -> Result<(), Error> {
        let mut arguments = arguments(&["init", "-migrate-state", "-force-copy"]);
        arguments.extend(self.backend(root, bucket, region));
        self.run(root, &arguments).await
    }

    /// Connects a root module to a state in a file.
    pub(super) async fn init_locally(&self, root: &str) -> Result<(), Error> {
        self.run(root, &arguments(&["init", "-reconfigure"])).await
    }

    /// The same, with what stands in the bucket taken along.
    pub(super) async fn migrate_locally(&self, root: &str) -> Result<(), Error> {
        self.run(root, &arguments(&["init", "-migrate-state", "-force-copy"]))
            .await
    }

    fn backend(&self, root: &str, bucket: &str, region: &str) -> Vec<OsString> {
        let mut settings = vec![
            format!("bucket={bucket}"),
            format!("key={root}.tfstate"),
            format!("region={region}"),
            "encrypt=true".to_owned(),
            "use_lockfile=true".to_owned(),
        ];
        if self.emulated {
            settings.push("use_path_style=true".to_owned());
        }
        let setting = |setting| format!("-backend-config={setting}").into();
        settings.into_iter().map(setting).collect()
    }

    /// Plans, shows the plan, and answers the file that it is in.
    pub(super) async fn plan(&self, root: &str, more: &[OsString]) -> Result<PathBuf, Error> {
        let file = self.kept(&format!("{root}.plan"))?;
        let mut arguments = arguments(&["plan"]);
        arguments.push(flag("-out=", &file));
        arguments.extend(self.variables.iter().cloned());
        arguments.extend(more.iter().cloned());
        self.run(root, &arguments).await?;
        Ok(file)
    }

    /// Plans the end of all that there is.
    pub(super) async fn plan_destroy(&self, root: &str) -> Result<PathBuf, Error> {
        let mut more = vec!["-destroy".into()];
        if root == "runtime" {
            let artifacts = self.kept("artifacts.tfvars.json")?;
            more.extend(artifacts.is_file().then(|| flag("-var-file=", &artifacts)));
        }
        self.plan(root, &more).await
    }

    /// Applies a plan, this very one.
    pub(super) async fn apply(&self, root: &str, plan: &Path) -> Result<(), Error> {
        let mut arguments = arguments(&["apply", "-parallelism=20"]);
        arguments.push(plan.into());
        let done = self.run(root, &arguments).await;
        // It has been applied, or is stale.
        let _ = std::fs::remove_file(plan);
        done
    }

    /// The outputs of a root module; none of nothing.
    pub(super) async fn outputs(&self, root: &str) -> Result<Value, Error> {
        let output = self
            .command(root, &arguments(&["output", "-json"]))
            .stderr(Stdio::inherit())
            .output()
            .await
            .map_err(not_started)?;
        if !output.status.success() {
            return Err(Error::CouldNot(format!(
                "terraform output of {root} failed: see above"
            )));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| Error::CouldNot(format!("the outputs of {root} do not read: {error}")))
    }

    async fn run(&self, root: &str, arguments: &[OsString]) -> Result<(), Error> {
        let what = arguments
            .first()
            .map(|what| what.to_string_lossy())
            .unwrap_or_default();
        eprintln!("==> terraform {what} ({root})");
        let status = self
            .command(root, arguments)
            // A program's own output stays its result.
            .stdout(std::io::stderr())
            .status()
            .await
            .map_err(not_started)?;
        if status.success() {
            return Ok(());
        }
        Err(Error::CouldNot(format!(
            "terraform {what} of {root} failed: what it says stands above; the same command goes on from there"
        )))
    }

    fn command(&self, root: &str, arguments: &[OsString]) -> Command {
        let mut command = Command::new("terraform");
        command
            .arg(flag("-chdir=", &self.folder.join(root)))
            .args(arguments)
            .env("TF_DATA_DIR", self.data.join(root))
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

fn arguments(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn flag(name: &str, value: &Path) -> OsString {
    let mut flag = OsString::from(name);
    flag.push(value);
    flag
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|error| Error::Refused(format!("{}: {error}", path.display())))
}

fn not_started(error: std::io::Error) -> Error {
    Error::CouldNot(format!(
        "terraform cannot be started: {error}: install Terraform 1.10 or later, and put it in PATH"
    ))
}
