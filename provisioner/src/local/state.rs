//! The state directory: the database, the development CA, logs, what `local.json` says of the running pipeline.

use super::Error;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The longest path of a state directory, in bytes. The path of a socket has at most 107 (unix(7)), and the enclaves'
/// own stand some way below.
pub(super) const MAX_PATH: usize = 60;

/// What a running pipeline says of itself, for the commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalFile {
    /// Its process.
    pub pid: i32,
    /// DynamoDB's endpoint, `http://127.0.0.1:PORT`.
    pub endpoint: String,
    /// The region that it serves.
    pub region: String,
    /// The table of rows.
    pub rows: String,
    /// The table of reports.
    pub reports: String,
    /// This machine, as a host.
    pub instance_id: String,
    /// The development CA's root, PEM: what `--trust-root` takes.
    pub development_root: PathBuf,
}

/// The state directory of a local pipeline.
#[derive(Debug, Clone)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// `chosen`, else `$TREZA_STATE_DIR`, else `treza` in `$XDG_STATE_HOME` or in `~/.local/state`. It need not exist.
    ///
    /// # Errors
    /// [`Error::NoStateDir`] if none of them is set.
    pub fn choose(chosen: Option<PathBuf>) -> Result<Self, Error> {
        let set = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let folder = chosen
            .or_else(|| set("TREZA_STATE_DIR"))
            .or_else(|| set("XDG_STATE_HOME").map(|folder| folder.join("treza")))
            .or_else(|| set("HOME").map(|folder| folder.join(".local/state/treza")))
            .ok_or(Error::NoStateDir)?;
        std::path::absolute(&folder)
            .map(Self)
            .map_err(Error::file("use", &folder))
    }

    /// Makes the directory, for this user alone.
    ///
    /// # Errors
    /// [`Error::StateDirTooLong`] if the sockets below it could not be bound.
    pub fn create(&self) -> Result<(), Error> {
        if self.0.as_os_str().len() > MAX_PATH {
            return Err(Error::StateDirTooLong(self.0.clone()));
        }
        fs::create_dir_all(&self.0).map_err(Error::file("make", &self.0))?;
        fs::set_permissions(&self.0, Permissions::from_mode(0o700)).map_err(Error::file("close", &self.0))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.0.join("dynamodb.sqlite")
    }

    /// Where the pipeline logs.
    pub fn pipeline_log(&self) -> PathBuf {
        self.0.join("pipeline.log")
    }

    /// Where the host daemon logs.
    pub fn host_log(&self) -> PathBuf {
        self.0.join("host.log")
    }

    /// The host daemon's configuration.
    pub fn host_config(&self) -> PathBuf {
        self.0.join("host.toml")
    }

    /// The host daemon's own state.
    pub fn host_state(&self) -> PathBuf {
        self.0.join("host")
    }

    /// The development CA.
    pub fn development_ca(&self) -> PathBuf {
        self.0.join("ca")
    }

    /// Fetched images and EIFs of the pipeline.
    pub fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    /// How far the stream of `table` was read.
    pub fn position(&self, table: &str) -> PathBuf {
        self.0.join(format!("stream-{table}.json"))
    }

    /// Takes the lock of the one pipeline that may use the directory; it is held as long as the file is open.
    ///
    /// # Errors
    /// [`Error::AlreadyUp`] while another holds it.
    pub fn lock(&self) -> Result<File, Error> {
        let path = self.0.join("local.lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(Error::AlreadyUp(self.0.clone())),
            Err(fs::TryLockError::Error(error)) => Err(Error::file("lock", &path)(error)),
        }
    }

    /// Whether a pipeline runs in the directory.
    pub fn is_up(&self) -> Result<bool, Error> {
        if !self.0.join("local.lock").exists() {
            return Ok(false);
        }
        match self.lock() {
            Ok(_) => Ok(false),
            Err(Error::AlreadyUp(_)) => Ok(true),
            Err(other) => Err(other),
        }
    }

    /// What the running pipeline says of itself.
    ///
    /// # Errors
    /// [`Error::NotUp`] if none runs.
    pub fn read_local(&self) -> Result<LocalFile, Error> {
        if !self.is_up()? {
            return Err(Error::NotUp(self.0.clone()));
        }
        let path = self.local_file();
        let text = fs::read(&path).map_err(|_| Error::NotUp(self.0.clone()))?;
        serde_json::from_slice(&text).map_err(|error| Error::file("read", &path)(error.into()))
    }

    /// Says that the pipeline is ready.
    pub fn write_local(&self, local: &LocalFile) -> Result<(), Error> {
        let path = self.local_file();
        let text =
            serde_json::to_vec_pretty(local).map_err(|error| Error::file("write", &path)(error.into()))?;
        write_atomically(&path, &text)
    }

    /// Takes that back.
    pub fn remove_local(&self) {
        // That it is there no longer is all that is wanted.
        let _ = fs::remove_file(self.local_file());
    }

    /// This machine as a host, `i-` and 17 hex digits: made once, and kept.
    pub fn instance_id(&self) -> Result<String, Error> {
        let path = self.0.join("instance-id");
        if let Ok(text) = fs::read_to_string(&path) {
            let id = text.trim();
            let digits = id.strip_prefix("i-").unwrap_or_default();
            if digits.len() == 17 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                return Ok(id.to_owned());
            }
        }
        let mut random = [0; 9];
        aws_lc_rs::rand::fill(&mut random)
            .map_err(|_| Error::file("fill", &path)(std::io::Error::other("no random numbers")))?;
        let mut id = format!("i-{}", hex::encode(random));
        id.pop();
        write_atomically(&path, id.as_bytes())?;
        Ok(id)
    }

    fn local_file(&self) -> PathBuf {
        self.0.join("local.json")
    }
}

/// Writes a file that appears whole or not at all, for this user alone.
pub(super) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(Error::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> (tempfile::TempDir, StateDir) {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::choose(Some(folder.path().join("state"))).unwrap();
        state.create().unwrap();
        (folder, state)
    }

    #[test]
    fn a_path_too_long_for_sockets_is_refused_before_anything_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("x".repeat(MAX_PATH));
        let state = StateDir::choose(Some(long.clone())).unwrap();
        assert!(matches!(state.create(), Err(Error::StateDirTooLong(_))));
        assert!(!long.exists());
    }

    #[test]
    fn the_instance_id_is_made_once() {
        let (_folder, state) = state();
        let id = state.instance_id().unwrap();
        assert!(id.starts_with("i-") && id.len() == 19, "{id}");
        assert_eq!(state.instance_id().unwrap(), id);
        fs::write(state.path().join("instance-id"), "../x").unwrap();
        assert_ne!(state.instance_id().unwrap(), "../x");
    }

    #[test]
    fn one_pipeline_at_a_time() {
        let (_folder, state) = state();
        assert!(!state.is_up().unwrap());
        let lock = state.lock().unwrap();
        assert!(state.is_up().unwrap());
        assert!(matches!(state.lock(), Err(Error::AlreadyUp(_))));
        drop(lock);
        assert!(matches!(state.read_local(), Err(Error::NotUp(_))));
    }

    #[test]
    fn the_state_is_for_its_user_alone() {
        let (_folder, state) = state();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(state.path()), 0o700);
        let path = state.path().join("file");
        write_atomically(&path, b"x").unwrap();
        assert_eq!(mode(&path), 0o600);
    }
}
