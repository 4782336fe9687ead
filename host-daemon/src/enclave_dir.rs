//! An enclave's directory, `enclaves/<cid>`: what its holder is told, and what it leaves.
//!
//! ```text
//! spec.json          what to run, written before the holder is started
//! image.eif          the EIF: another name of the file in the cache
//! lock               held by the holder as long as it lives; its process id
//! control.sock       the holder's ears (crate::control)
//! vsock.sock         the guest's ports
//! application.log    the application's output, and application.log.1 before it
//! holder.log         the holder's own words
//! ended.json         how it ended
//! ```

use crate::Error;
use crate::files::{RotatingLog, read_bounded, remove_if_there, text_tail, write_durably};
use crate::ledger::Launch;
use contract::RecordId;
use eif_build::bundle::Machine;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The most bytes of each of the two files of the application's output.
pub(crate) const APPLICATION_LOG_BYTES: u64 = 1 << 20;
/// The most bytes of a file of ours in the directory.
const MAX_FILE: u64 = 256 * 1024;

/// What a holder is to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The row and the launch that the enclave is for; none for an operator's own.
    pub owner: Option<Owner>,
    /// The guest's vsock address.
    pub cid: u32,
    /// What its kernel expects of the machine.
    pub machine: Machine,
    /// Its memory in MiB.
    pub memory_mib: u32,
    /// Its vCPUs.
    pub cpus: u32,
    /// Debug mode.
    pub debug: bool,
    /// The host's instance id.
    pub instance_id: String,
    /// Where the ingress listens.
    pub address: IpAddr,
    /// The directory of the development CA.
    pub development_ca: PathBuf,
    /// Where the host's common listeners stand.
    pub hub: PathBuf,
    /// Not with KVM, which failed once.
    pub force_tcg: bool,
}

/// Whose enclave it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// The row's id.
    pub record_id: String,
    /// The row's launch.
    pub launch: Launch,
}

/// How an enclave ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// For people: `the kernel panicked: …`.
    pub how: String,
    /// It never ran: `how` says what is missing.
    pub not_started: bool,
    /// KVM failed under it: worth another try without.
    pub accelerator_failed: bool,
    /// The console's last lines.
    pub console_tail: String,
}

impl Ended {
    /// The end of an enclave whose holder left no word.
    pub fn without_a_word() -> Self {
        Self {
            how: "its holder was killed, and the enclave with it".into(),
            not_started: false,
            accelerator_failed: false,
            console_tail: String::new(),
        }
    }
}

/// An enclave's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnclaveDir {
    path: PathBuf,
}

impl EnclaveDir {
    /// The directory at `path`, as it is.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes a new directory at `path`, for its owner alone.
    pub(crate) fn make(path: PathBuf) -> Result<Self, Error> {
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(Error::io("make the directory", &path))?;
        Ok(Self { path })
    }

    /// Where it stands.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The EIF.
    pub fn image(&self) -> PathBuf {
        self.path.join("image.eif")
    }

    /// The holder's ears.
    pub fn control(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// The guest's ports.
    pub fn vsock(&self) -> PathBuf {
        self.path.join("vsock.sock")
    }

    /// The application's output.
    pub fn application_log(&self) -> PathBuf {
        self.path.join("application.log")
    }

    /// The holder's own words.
    pub fn holder_log(&self) -> PathBuf {
        self.path.join("holder.log")
    }

    /// What to run.
    pub fn spec(&self) -> Result<Spec, Error> {
        self.read_json("spec.json")
    }

    /// Says what to run.
    pub fn write_spec(&self, spec: &Spec) -> Result<(), Error> {
        self.write_json("spec.json", spec)
    }

    /// How it ended, as the holder said; where it said nothing, that.
    pub fn ended(&self) -> Ended {
        self.read_json("ended.json")
            .unwrap_or_else(|_| Ended::without_a_word())
    }

    /// Says how it ended.
    pub fn write_ended(&self, ended: &Ended) -> Result<(), Error> {
        self.write_json("ended.json", ended)
    }

    /// The row that the enclave is for, if the directory tells of one.
    pub fn owner(&self) -> Option<(RecordId, Launch)> {
        let owner = self.spec().ok()?.owner?;
        Some((RecordId::parse(&owner.record_id).ok()?, owner.launch))
    }

    /// Takes the holder's lock; `None` if a holder lives. The lock lasts as long as the file that is returned.
    pub fn lock(&self) -> Result<Option<File>, Error> {
        let path = self.path.join("lock");
        let open = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path);
        let file = open.map_err(Error::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
        }
    }

    /// Takes the lock for this process, which is the holder, and writes its id.
    pub fn lock_as_holder(&self) -> Result<File, Error> {
        let mut tries = 0;
        let mut file = loop {
            // Who only looks whether a holder lives has the lock for a moment.
            match self.lock()? {
                Some(file) => break file,
                None if tries < 20 => std::thread::sleep(Duration::from_millis(10)),
                None => {
                    let problem = "another process is its holder".into();
                    return Err(Error::Holder {
                        dir: self.path.clone(),
                        problem,
                    });
                }
            }
            tries += 1;
        };
        let path = self.path.join("lock");
        file.set_len(0).map_err(Error::io("write", &path))?;
        write!(file, "{}", std::process::id()).map_err(Error::io("write", &path))?;
        Ok(file)
    }

    /// The process id of the holder. It means something only while the lock is held.
    pub fn holder_pid(&self) -> Option<i32> {
        let bytes = read_bounded(&self.path.join("lock"), 16).ok()?;
        String::from_utf8(bytes).ok()?.parse().ok().filter(|pid| *pid > 1)
    }

    /// Whether a holder lives.
    pub fn is_held(&self) -> Result<bool, Error> {
        if !self.path.exists() {
            return Ok(false);
        }
        Ok(self.lock()?.is_none())
    }

    /// Removes what only a living enclave needs: sockets and image.
    pub fn remove_sockets(&self) -> Result<(), Error> {
        for path in [self.control(), self.vsock(), self.image()] {
            remove_if_there(&path)?;
        }
        Ok(())
    }

    /// Removes the directory, unless a holder lives; it may be gone already.
    pub fn remove(&self) -> Result<(), Error> {
        if !self.path.exists() {
            return Ok(());
        }
        // Held to the end: a holder that is just starting finds the lock taken, or the directory gone.
        let Some(_lock) = self.lock()? else {
            let problem = "it lives; stop it before its directory is removed".into();
            return Err(Error::Holder {
                dir: self.path.clone(),
                problem,
            });
        };
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove the directory", &self.path)(error))
            }
            _ => Ok(()),
        }
    }

    /// The last lines of the application's output, at most `limit` bytes.
    pub fn application_tail(&self, limit: usize) -> String {
        text_tail(&self.application_output(), limit)
    }

    /// All of the application's output that is kept.
    pub fn application_output(&self) -> Vec<u8> {
        let log = self.application_log();
        let mut output = Vec::new();
        for path in [RotatingLog::previous(&log), log] {
            output.extend(read_bounded(&path, 2 * APPLICATION_LOG_BYTES).unwrap_or_default());
        }
        output
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        let path = self.path.join(name);
        let bytes = read_bounded(&path, MAX_FILE).map_err(Error::io("read", &path))?;
        serde_json::from_slice(&bytes).map_err(|error| Error::Damaged {
            path,
            problem: error.to_string(),
        })
    }

    fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Error> {
        let path = self.path.join(name);
        let json = serde_json::to_vec_pretty(value).map_err(io::Error::from);
        write_durably(&path, &json.map_err(Error::io("write", &path))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn spec() -> Spec {
        let launch = Launch {
            generation: 2,
            sequence: None,
        };
        Spec {
            owner: Some(Owner {
                record_id: "enc_1".into(),
                launch,
            }),
            cid: 16,
            machine: Machine::Cmdline,
            memory_mib: 256,
            cpus: 1,
            debug: false,
            instance_id: "i-0123456789abcdef0".into(),
            address: "127.0.0.1".parse().unwrap(),
            development_ca: "/nowhere/ca".into(),
            hub: "/nowhere/hub".into(),
            force_tcg: false,
        }
    }

    #[test]
    fn a_holder_reads_what_the_daemon_wrote() {
        let parent = tempfile::tempdir().unwrap();
        let dir = EnclaveDir::make(parent.path().join("16")).unwrap();
        dir.write_spec(&spec()).unwrap();
        assert_eq!(dir.spec().unwrap(), spec());
        assert_eq!(dir.owner().unwrap().0.as_str(), "enc_1");
        assert_eq!(dir.ended(), Ended::without_a_word());
        fs::write(dir.path().join("spec.json"), r#"{"cid": 16, "more": 1}"#).unwrap();
        assert!(matches!(dir.spec(), Err(Error::Damaged { .. })));
        assert_eq!(dir.owner(), None);
    }

    #[test]
    fn the_lock_alone_says_that_a_holder_lives() {
        let parent = tempfile::tempdir().unwrap();
        let dir = EnclaveDir::make(parent.path().join("16")).unwrap();
        assert!(!dir.is_held().unwrap());
        let lock = dir.lock_as_holder().unwrap();
        assert!(dir.is_held().unwrap());
        assert_eq!(dir.holder_pid(), Some(std::process::id() as i32));
        assert!(dir.lock_as_holder().is_err());
        assert!(dir.remove().is_err());
        drop(lock);
        dir.remove().unwrap();
        dir.remove().unwrap();
        assert!(!dir.is_held().unwrap());
    }
}
