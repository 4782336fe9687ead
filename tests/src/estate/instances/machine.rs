//! One instance that runs: its folder, its metadata service, its daemon.

use super::install::install;
use super::unit::Unit;
use super::user_data::{UserData, rerooted};
use super::{InstancesOptions, Listed};
use crate::estate::account::Account;
use crate::estate::metadata::{InstanceFacts, Metadata};
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where the user data puts the daemon's configuration.
const CONFIGURATION: &str = "/etc/treza/host.toml";
/// How long a daemon may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Machine {
    root: PathBuf,
    state_dir: PathBuf,
    unit: Unit,
    endpoint: String,
    metadata: Metadata,
    daemon: Option<Child>,
    started: Instant,
}

impl Machine {
    /// Writes the user data's files, installs what they name, and starts the daemon.
    pub(super) async fn boot(
        account: &Account,
        options: &InstancesOptions,
        authority: &Path,
        instance: &Listed,
        role: Option<String>,
        user_data: Vec<u8>,
    ) -> Result<Self, String> {
        // Short, for the sockets in it.
        let root = options.folder.join(instance.id.get(..10).unwrap_or(&instance.id));
        fs::create_dir_all(&root).map_err(|error| format!("{}: {error}", root.display()))?;
        UserData::read(&user_data)?.write_files(&root)?;
        install(account, &root).await?;
        let settings = reroot_settings(&root, &rerooted(&root, Path::new(CONFIGURATION))?)?;
        let path = |name: &str| {
            settings
                .get(name)
                .and_then(toml::Value::as_str)
                .map(PathBuf::from)
        };
        let state_dir = path("state_dir").ok_or("host.toml has no state_dir")?;
        let ca = path("development_ca").unwrap_or_else(|| state_dir.join("ca"));
        copy_folder(authority, &ca).map_err(|error| format!("{}: {error}", ca.display()))?;
        let metadata = Metadata::serve(InstanceFacts {
            instance_id: instance.id.clone(),
            local_ipv4: Ipv4Addr::LOCALHOST,
            region: account.region().to_owned(),
            availability_zone: instance.zone.clone(),
            instance_type: instance.instance_type.clone(),
            role,
            user_data,
        })
        .await;
        let mut machine = Self {
            unit: Unit::read(&root)?,
            root,
            state_dir,
            endpoint: account.endpoint().to_owned(),
            metadata,
            daemon: None,
            started: Instant::now(),
        };
        machine.start();
        Ok(machine)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.unit.log).unwrap_or_default()
    }

    /// Starts the daemon where none runs: after a stop, or when it ended by itself, as its unit says.
    pub(super) fn keep_running(&mut self) {
        let due = match &mut self.daemon {
            None => true,
            Some(daemon) => {
                let ended = !matches!(daemon.try_wait(), Ok(None));
                ended
                    && self
                        .unit
                        .restart
                        .is_some_and(|wait| self.started.elapsed() > wait)
            }
        };
        if due {
            self.start();
        }
    }

    /// What a stop of the instance does: the daemon ends, and its enclaves are lost.
    pub(super) async fn halt(&mut self) {
        let Some(daemon) = &mut self.daemon else { return };
        signal(daemon, "-TERM");
        let begun = Instant::now();
        while matches!(daemon.try_wait(), Ok(None)) && begun.elapsed() < GRACE {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.end_now();
    }

    /// Its disk is deleted, once it is halted; what its daemon wrote stays beside it.
    pub(super) fn discard(self) {
        let log = self.root.with_extension("log");
        let kept = fs::rename(&self.unit.log, log).and_then(|()| fs::remove_dir_all(&self.root));
        if let Err(error) = kept {
            eprintln!("estate: {}: {error}", self.root.display());
        }
    }

    /// The daemon dies.
    pub(super) fn kill_daemon(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    fn end_now(&mut self) {
        let Some(mut daemon) = self.daemon.take() else {
            return;
        };
        // An ended one is not killed.
        let _ = daemon.kill();
        let _ = daemon.wait();
        let mut stop = Command::new(&self.unit.program);
        stop.args(["stop", "--all", "--grace", "0", "--state-dir"])
            .arg(&self.state_dir);
        let stopped = stop.output();
        if !stopped.as_ref().is_ok_and(|output| output.status.success()) {
            eprintln!("estate: {}: {stopped:?}", self.root.display());
        }
    }

    fn start(&mut self) {
        fs::create_dir_all(self.unit.log.parent().unwrap_or(&self.root)).unwrap();
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.unit.log)
            .unwrap();
        let daemon = Command::new(&self.unit.program)
            .args(&self.unit.words)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            // Credentials come from the metadata service, as on a real instance.
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", self.metadata.endpoint())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.started = Instant::now();
        match daemon {
            Ok(daemon) => self.daemon = Some(daemon),
            Err(error) => eprintln!("estate: {}: {error}", self.unit.program.display()),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end_now();
    }
}

/// Puts `root` before every path in the configuration, and answers what is in it then.
fn reroot_settings(root: &Path, configuration: &Path) -> Result<toml::Table, String> {
    let fault = |error: &dyn std::fmt::Display| format!("{CONFIGURATION}: {error}");
    let text = fs::read_to_string(configuration).map_err(|error| fault(&error))?;
    let settings: toml::Table = text.parse().map_err(|error: toml::de::Error| fault(&error))?;
    let mut settings = toml::Value::Table(settings);
    reroot(root, &mut settings)?;
    let toml::Value::Table(settings) = settings else {
        return Err(fault(&"no table"));
    };
    fs::write(configuration, settings.to_string()).map_err(|error| fault(&error))?;
    Ok(settings)
}

fn reroot(root: &Path, value: &mut toml::Value) -> Result<(), String> {
    match value {
        toml::Value::String(text) if text.starts_with('/') => {
            *text = rerooted(root, Path::new(text))?.to_string_lossy().into_owned();
            Ok(())
        }
        toml::Value::Array(values) => values.iter_mut().try_for_each(|value| reroot(root, value)),
        toml::Value::Table(table) => table.iter_mut().try_for_each(|(_, value)| reroot(root, value)),
        _ => Ok(()),
    }
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn signal(daemon: &Child, signal: &str) {
    // What has ended already is no fault.
    let _ = Command::new("/bin/kill")
        .args([signal, &daemon.id().to_string()])
        .status();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_configuration_is_under_the_root() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("host.toml");
        let text = "state_dir = \"/var/lib/treza\"\nregion = \"us-west-2\"\ntrust_roots = [\"/etc/a.pem\"]\n\
                    [tables]\nrows = \"rows\"\n";
        fs::write(&file, text).unwrap();
        let settings = reroot_settings(root.path(), &file).unwrap();
        let under = |path: &str| root.path().join(path).to_str().unwrap().to_owned();
        assert_eq!(settings["state_dir"].as_str().unwrap(), under("var/lib/treza"));
        assert_eq!(settings["trust_roots"][0].as_str().unwrap(), under("etc/a.pem"));
        assert_eq!(settings["region"].as_str(), Some("us-west-2"));
        let written: toml::Table = fs::read_to_string(&file).unwrap().parse().unwrap();
        assert_eq!(written, settings);
        fs::write(&file, "state_dir = \"/var/../../x\"").unwrap();
        assert!(reroot_settings(root.path(), &file).is_err());
    }
}
