//! What stands where in the state directory.
//!
//! ```text
//! daemon.lock        held by the one daemon
//! hub/9000.sock      the heartbeat listener of all enclaves
//! enclaves/<cid>/    an enclave's directory (crate::enclave_dir)
//! launched/<id>      the last launch of a row (crate::ledger)
//! cache/             images and EIFs
//! ca/                the development CA, unless it is configured elsewhere or a local pipeline has one
//! ```

use crate::Error;
use crate::enclave_dir::EnclaveDir;
use crate::files::make_private_dir;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The first vsock address that is given to an enclave.
const FIRST_CID: u32 = 16;
/// The longest path in it that a socket has: `enclaves/<10 digits>/vsock.sock_<10 digits>`.
const LONGEST_SOCKET: usize = "/enclaves/4294967295/vsock.sock_4294967295".len();
/// The size of `sun_path` (unix(7)), with its final NUL.
const SUN_PATH: usize = 108;

/// What `treza local up` leaves in its state directory, in which its host has the folder `host`.
const PIPELINE_LOCK: &str = "local.lock";

/// The state directory of a host.
#[derive(Debug, Clone)]
pub struct StateDir {
    root: PathBuf,
}

/// The state directory that is used where none is named: where `treza local` has its host, `host` in TREZA_STATE_DIR,
/// in `treza` in XDG_STATE_HOME, or in `~/.local/state/treza`.
pub fn default_state_dir() -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let home = || {
        variable("HOME")
            .unwrap_or_else(|| "/root".into())
            .join(".local/state")
    };
    let local = variable("TREZA_STATE_DIR");
    local
        .unwrap_or_else(|| variable("XDG_STATE_HOME").unwrap_or_else(home).join("treza"))
        .join("host")
}

impl StateDir {
    /// The state directory at `root`, for those who look and make nothing; it need not be there.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The state directory at `root`; made, with what belongs in it, where it is not there.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let limit = SUN_PATH - 1 - LONGEST_SOCKET;
        if root.as_os_str().len() > limit {
            return Err(Error::PathTooLong {
                path: root.to_owned(),
                limit,
            });
        }
        if let Some(parent) = root.parent() {
            fs::create_dir_all(parent).map_err(Error::io("make the directory", parent))?;
        }
        make_private_dir(root)?;
        let state_dir = Self::at(root);
        for part in [state_dir.hub(), state_dir.enclaves_dir(), state_dir.cache()] {
            make_private_dir(&part)?;
        }
        Ok(state_dir)
    }

    /// Takes the daemon's lock, which lasts as long as the file that is returned.
    pub fn lock(&self) -> Result<File, Error> {
        let path = self.root.join("daemon.lock");
        let open = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let file = open.map_err(Error::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(Error::InUse(self.root.clone())),
            Err(fs::TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
        }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the host's common listeners stand, `<port>.sock`.
    pub fn hub(&self) -> PathBuf {
        self.root.join("hub")
    }

    /// The development CA of an operator's own enclaves: that of the local pipeline whose host this is, so that one
    /// machine has one root; else one of the host's own.
    pub fn development_ca(&self) -> PathBuf {
        let pipeline = self
            .root
            .parent()
            .filter(|parent| self.root == default_state_dir() || parent.join(PIPELINE_LOCK).exists());
        pipeline.unwrap_or(&self.root).join("ca")
    }

    /// Where images and EIFs are kept.
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Where the launches of rows are kept.
    pub fn launched(&self) -> PathBuf {
        self.root.join("launched")
    }

    /// A new enclave's directory, named by a vsock address that no other enclave of this host has.
    pub fn new_enclave(&self) -> Result<(u32, EnclaveDir), Error> {
        for cid in FIRST_CID..u32::MAX {
            let path = self.enclaves_dir().join(cid.to_string());
            // Who makes the directory has the address: so says the file system, to every process at once.
            match EnclaveDir::make(path) {
                Ok(dir) => return Ok((cid, dir)),
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Full(u32::MAX as usize))
    }

    /// The directories of all enclaves, running or not, by ascending vsock address.
    pub fn enclaves(&self) -> Result<Vec<EnclaveDir>, Error> {
        let path = self.enclaves_dir();
        let mut found = Vec::new();
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io("list", &path))?,
        };
        for entry in entries {
            let entry = entry.map_err(Error::io("list", &path))?;
            if let Some(cid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok())
            {
                found.push((cid, EnclaveDir::at(entry.path())));
            }
        }
        found.sort_by_key(|(cid, _)| *cid);
        Ok(found.into_iter().map(|(_, dir)| dir).collect())
    }

    fn enclaves_dir(&self) -> PathBuf {
        self.root.join("enclaves")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_enclaves_have_one_address() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join("state")).unwrap();
        let again = StateDir::open(&dir.path().join("state")).unwrap();
        let cids = [&state, &again, &state].map(|state| state.new_enclave().unwrap().0);
        assert_eq!(cids, [16, 17, 18]);
        state.enclaves().unwrap()[1].remove().unwrap();
        assert_eq!(again.new_enclave().unwrap().0, 17);
    }

    #[test]
    fn who_looks_makes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::at(&dir.path().join("state"));
        assert!(state.enclaves().unwrap().is_empty());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_pipelines_host_has_the_pipelines_root_and_any_other_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::at(&dir.path().join("host"));
        assert_eq!(state.development_ca(), dir.path().join("host/ca"));
        fs::write(dir.path().join("local.lock"), "").unwrap();
        assert_eq!(state.development_ca(), dir.path().join("ca"));
        let default = StateDir::at(&default_state_dir());
        assert_eq!(
            default.development_ca(),
            default.root().parent().unwrap().join("ca")
        );
    }

    #[test]
    fn one_daemon_has_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let lock = state.lock().unwrap();
        assert!(matches!(state.lock(), Err(Error::InUse(_))));
        drop(lock);
        state.lock().unwrap();
    }

    #[test]
    fn a_path_without_room_for_sockets_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("x".repeat(80));
        assert!(matches!(StateDir::open(&long), Err(Error::PathTooLong { .. })));
        assert!(!long.exists());
    }
}
