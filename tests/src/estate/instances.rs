//! Boots what the account says is running. Each instance is a folder of its own for the files of its user data, with a
//! metadata service of its own; in it runs what its systemd unit names: the host daemon of the package that Terraform
//! uploaded, with the configuration that Terraform wrote. The user data's commands are not run, as they would install all
//! that on this machine; [`install`] does what they do.
//!
//! An instance that stops keeps its folder, as its disk is kept, and one that terminates loses it.

mod install;
mod machine;
mod unit;
mod user_data;

use super::account::{Account, CallError};
use super::tasks::{Faults, Task};
use machine::Machine;
use roxmltree::Node;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Between two looks at the account's instances.
const LOOK: Duration = Duration::from_millis(300);

/// What the instances are made of.
#[derive(Debug, Clone)]
pub struct InstancesOptions {
    /// Where each instance has its folder. A short path: sockets are in it.
    pub folder: PathBuf,
    /// The development CA, in place of the root in Nitro's hardware.
    pub development_ca: PathBuf,
}

/// How instances behave that come up from now on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// They boot.
    #[default]
    Boots,
    /// They run, and nothing on them does: no network, or an installation that failed.
    Silent,
    /// They boot, with a CA that nobody knows.
    OtherAuthority(PathBuf),
}

/// The instances. They end when it is dropped, and their enclaves with them.
#[derive(Debug)]
pub struct Instances {
    shared: Arc<Shared>,
    _task: Task,
}

#[derive(Debug)]
struct Shared {
    account: Account,
    options: InstancesOptions,
    behaviour: Mutex<Behaviour>,
    /// None: their owner has ended, and nothing boots any more.
    machines: tokio::sync::Mutex<Option<HashMap<String, Machine>>>,
    faults: Faults,
}

/// An instance as the account has it.
#[derive(Debug, Clone)]
struct Listed {
    id: String,
    state: String,
    zone: String,
    instance_type: String,
    /// The name of its instance profile.
    profile: Option<String>,
}

impl Instances {
    /// Starts to look after the account's instances.
    pub fn start(account: Account, options: InstancesOptions) -> Self {
        let shared = Arc::new(Shared {
            account,
            options,
            behaviour: Mutex::default(),
            machines: Some(HashMap::new()).into(),
            faults: Faults::default(),
        });
        let task = Task::start(shared.clone().follow());
        Self { shared, _task: task }
    }

    /// How instances behave that come up from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    /// Ends a running instance's daemon as a crash does; it is started again, as its unit says.
    pub async fn kill_daemon(&self, id: &str) {
        let mut machines = self.shared.machines.lock().await;
        let machine = machines.as_mut().and_then(|machines| machines.get_mut(id));
        machine.expect("a running instance").kill_daemon();
    }

    /// The folder of an instance; none: it is not there, or silent.
    pub async fn root_of(&self, id: &str) -> Option<PathBuf> {
        let machines = self.shared.machines.lock().await;
        Some(machines.as_ref()?.get(id)?.root().to_owned())
    }

    /// What each daemon wrote, those of terminated instances too, for a test that fails.
    pub async fn logs(&self) -> String {
        let machines = self.shared.machines.lock().await;
        let running = machines.iter().flatten();
        let running = running.map(|(id, machine)| format!("{id}:\n{}\n", machine.log()));
        let entries = fs::read_dir(&self.shared.options.folder)
            .into_iter()
            .flatten()
            .flatten();
        let gone = entries.filter(|entry| entry.path().is_file()).map(|entry| {
            let log = fs::read_to_string(entry.path()).unwrap_or_default();
            format!("{}:\n{log}\n", entry.file_name().to_string_lossy())
        });
        gone.chain(running).collect()
    }

    /// What could not be done as the account says.
    pub fn faults(&self) -> Vec<String> {
        self.shared.faults.all()
    }
}

impl Shared {
    async fn follow(self: Arc<Self>) {
        loop {
            match self.listed().await {
                Ok(listed) => self.bring_to(&listed).await,
                Err(error) => self.faults.add(format!("instances: {error}")),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn listed(&self) -> Result<Vec<Listed>, CallError> {
        let xml = self
            .account
            .query("ec2", "2016-11-15", "DescribeInstances", &[])
            .await?;
        Ok(xml.with(|root| {
            let sets = root
                .descendants()
                .filter(|node| node.tag_name().name() == "instancesSet");
            let items = sets.flat_map(|set| set.children().filter(Node::is_element));
            items.filter_map(Listed::read).collect()
        }))
    }

    /// Boots, starts again, halts and removes, as the account says now.
    async fn bring_to(&self, listed: &[Listed]) {
        let mut machines = self.machines.lock().await;
        let Some(machines) = machines.as_mut() else { return };
        for instance in listed {
            match (instance.state.as_str(), machines.get_mut(&instance.id)) {
                ("running", Some(machine)) => machine.keep_running(),
                ("running", None) => match self.make(instance).await {
                    Ok(Some(machine)) => drop(machines.insert(instance.id.clone(), machine)),
                    Ok(None) => {}
                    Err(problem) => self.faults.add(format!("{}: {problem}", instance.id)),
                },
                ("stopping" | "stopped", Some(machine)) => machine.halt().await,
                _ => {}
            }
        }
        let there = |id: &String| {
            let found = listed.iter().find(|instance| instance.id == *id);
            found.is_some_and(|instance| !["shutting-down", "terminated"].contains(&instance.state.as_str()))
        };
        let gone: Vec<_> = machines.keys().filter(|id| !there(id)).cloned().collect();
        for id in gone {
            if let Some(mut machine) = machines.remove(&id) {
                machine.halt().await;
                machine.discard();
            }
        }
    }

    async fn make(&self, instance: &Listed) -> Result<Option<Machine>, String> {
        let behaviour = self.behaviour.lock().unwrap().clone();
        let authority = match behaviour {
            Behaviour::Boots => &self.options.development_ca,
            Behaviour::Silent => return Ok(None),
            Behaviour::OtherAuthority(ref folder) => folder,
        };
        let user_data = self.user_data(&instance.id).await?;
        let role = match &instance.profile {
            Some(profile) => Some(self.role_of(profile).await?),
            None => None,
        };
        Machine::boot(&self.account, &self.options, authority, instance, role, user_data)
            .await
            .map(Some)
    }

    async fn user_data(&self, id: &str) -> Result<Vec<u8>, String> {
        use base64::Engine;
        let parameters = [("InstanceId", id), ("Attribute", "userData")];
        let answer = self
            .account
            .query("ec2", "2016-11-15", "DescribeInstanceAttribute", &parameters)
            .await;
        let values = answer.map_err(|error| error.to_string())?.texts("value");
        let text = values.first().ok_or("no user data")?;
        base64::engine::general_purpose::STANDARD
            .decode(text)
            .map_err(|error| format!("user data: {error}"))
    }

    async fn role_of(&self, profile: &str) -> Result<String, String> {
        let parameters = [("InstanceProfileName", profile)];
        let answer = self
            .account
            .query("iam", "2010-05-08", "GetInstanceProfile", &parameters)
            .await;
        let names = answer.map_err(|error| error.to_string())?.texts("RoleName");
        names
            .into_iter()
            .next()
            .ok_or_else(|| format!("the instance profile {profile} has no role"))
    }
}

impl Listed {
    fn read(item: Node<'_, '_>) -> Option<Self> {
        let child = |node: Node<'_, '_>, name: &str| -> Option<String> {
            let found = node.children().find(|node| node.tag_name().name() == name)?;
            found.text().map(str::to_owned)
        };
        let inner = |outer: &str, name: &str| {
            let outer = item.children().find(|node| node.tag_name().name() == outer)?;
            child(outer, name)
        };
        let profile = inner("iamInstanceProfile", "arn");
        Some(Self {
            id: child(item, "instanceId")?,
            state: inner("instanceState", "name")?,
            zone: inner("placement", "availabilityZone").unwrap_or_default(),
            instance_type: child(item, "instanceType").unwrap_or_default(),
            profile: profile.and_then(|arn| Some(arn.rsplit_once('/')?.1.to_owned())),
        })
    }
}

impl Drop for Instances {
    fn drop(&mut self) {
        // What follows the account may hold the lock for a last look.
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_secs(30) {
            if let Ok(mut machines) = self.shared.machines.try_lock() {
                // Each ends with its daemon and its enclaves.
                drop(machines.take());
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
