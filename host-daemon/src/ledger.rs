//! What was launched: kept on the disk before it is, so that no generation of a row is ever launched twice.

use crate::Error;
use crate::files::{make_private_dir, read_bounded, remove_if_there, write_durably};
use contract::RecordId;
use contract::row::Row;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// One request of a row for an enclave. The generation alone would not do: a row that is deleted and written anew
/// begins to count again, its stream record's sequence number does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The row's generation.
    pub generation: u64,
    /// The stream record that raised it, decimal.
    pub sequence: Option<String>,
}

impl Launch {
    /// The launch that the row asks for now.
    pub fn of(row: &Row) -> Self {
        Self {
            generation: row.generation,
            sequence: row.trigger.as_ref().map(|trigger| trigger.sequence.clone()),
        }
    }
}

/// The last launch of each row that is assigned to this host, a small file each.
#[derive(Debug)]
pub struct Ledger {
    dir: PathBuf,
}

impl Ledger {
    /// The ledger in `dir`, made if it is not there.
    pub fn open(dir: PathBuf) -> Result<Self, Error> {
        make_private_dir(&dir)?;
        Ok(Self { dir })
    }

    /// The launch that was last recorded for a row.
    pub fn last(&self, id: &RecordId) -> Result<Option<Launch>, Error> {
        let path = self.path(id);
        match read_bounded(&path, 4096) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| Error::Damaged {
                    path,
                    problem: error.to_string(),
                }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// Records a launch; to be called before it. It outlives a loss of power.
    pub fn record(&self, id: &RecordId, launch: &Launch) -> Result<(), Error> {
        let json = serde_json::to_vec(launch).map_err(io::Error::from);
        let path = self.path(id);
        write_durably(&path, &json.map_err(Error::io("write", &path))?)
    }

    /// Forgets a row that is no longer assigned to this host. It may come back with a new launch only.
    pub fn forget(&self, id: &RecordId) -> Result<(), Error> {
        remove_if_there(&self.path(id))
    }

    fn path(&self, id: &RecordId) -> PathBuf {
        self.dir.join(id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_outlives_the_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let id = RecordId::parse("enc_1").unwrap();
        let launch = Launch {
            generation: 3,
            sequence: Some("1700".into()),
        };
        let ledger = Ledger::open(dir.path().join("launched")).unwrap();
        assert_eq!(ledger.last(&id).unwrap(), None);
        ledger.record(&id, &launch).unwrap();
        let ledger = Ledger::open(dir.path().join("launched")).unwrap();
        assert_eq!(ledger.last(&id).unwrap(), Some(launch));
        ledger.forget(&id).unwrap();
        ledger.forget(&id).unwrap();
        assert_eq!(ledger.last(&id).unwrap(), None);
    }

    #[test]
    fn a_damaged_ledger_is_no_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path().to_owned()).unwrap();
        std::fs::write(dir.path().join("enc_1"), "{").unwrap();
        let error = ledger.last(&RecordId::parse("enc_1").unwrap()).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }));
    }
}
