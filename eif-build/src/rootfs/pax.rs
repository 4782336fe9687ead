//! Extended headers of tar (POSIX.1-2017, pax): records `LENGTH KEY=VALUE\n`, whose values may hold any byte.
use std::collections::BTreeMap;

use super::Problem;

/// Extended attributes in pax records, as star, GNU tar and Go write them.
const XATTR: &[u8] = b"SCHILY.xattr.";
/// The largest value of an extended attribute, in bytes (XATTR_SIZE_MAX of Linux).
const MAX_XATTR: usize = 65_536;

/// What extension entries say of the entry that follows them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extension {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) size: Option<u64>,
    pub(super) xattrs: BTreeMap<String, Vec<u8>>,
    /// What is wrong with it.
    pub(super) problem: Option<Problem>,
}

impl Extension {
    /// Takes the records of a local extended header.
    pub(super) fn read_pax(&mut self, mut records: &[u8]) -> Result<(), Problem> {
        while !records.is_empty() {
            let (record, rest) = split_record(records).ok_or(Problem::Extension)?;
            self.take(record)?;
            records = rest;
        }
        Ok(())
    }

    fn take(&mut self, record: &[u8]) -> Result<(), Problem> {
        let equals = record
            .iter()
            .position(|&byte| byte == b'=')
            .ok_or(Problem::Extension)?;
        let (key, value) = (
            record.get(..equals).unwrap_or_default(),
            record.get(equals + 1..).unwrap_or_default(),
        );
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"uid" => self.uid = Some(decimal(value).ok_or(Problem::Number)?),
            b"gid" => self.gid = Some(decimal(value).ok_or(Problem::Number)?),
            b"size" => self.size = Some(decimal(value).ok_or(Problem::Number)?),
            _ if key.starts_with(b"GNU.sparse.") => return Err(Problem::Type),
            _ => {
                if let Some(name) = key.strip_prefix(XATTR).filter(|name| is_kept(name)) {
                    let name = std::str::from_utf8(name).map_err(|_| Problem::Xattr)?;
                    if value.len() > MAX_XATTR || name.len() > 255 {
                        return Err(Problem::Xattr);
                    }
                    self.xattrs.insert(name.to_owned(), value.to_vec());
                }
            }
        }
        Ok(())
    }
}

/// Attributes that mean something in an enclave; labels of the machine that made the layer do not.
fn is_kept(name: &[u8]) -> bool {
    name == b"security.capability" || name.starts_with(b"user.")
}

/// The first record without its length and line's end, and what follows it.
fn split_record(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = records.iter().take(20).position(|&byte| byte == b' ')?;
    let length = usize::try_from(decimal(records.get(..space)?)?).ok()?;
    let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
    Some((record, records.get(length..)?))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    digits
        .bytes()
        .all(|digit| digit.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let rest = key.len() + value.len() + 3;
        let length = (1..20)
            .map(|digits| rest + digits)
            .find(|total| total.to_string().len() + rest == *total);
        [format!("{} {key}=", length.unwrap()).as_bytes(), value, b"\n"].concat()
    }

    #[test]
    fn values_may_hold_any_byte() {
        let capability = b"\x01\0\0\x02\n=\n\0";
        let mut extension = Extension::default();
        let records = [
            record("path", b"a=b\nc"),
            record("SCHILY.xattr.security.capability", capability),
        ]
        .concat();
        extension.read_pax(&records).unwrap();
        assert_eq!(extension.path.as_deref(), Some(&b"a=b\nc"[..]));
        assert_eq!(extension.xattrs["security.capability"], capability);
    }

    #[test]
    fn refuses_what_is_malformed() {
        for bad in [
            &b"9999 path=x\n"[..],
            b"9 path=x",
            b"path=x\n",
            b"7 pathx\n",
            b"0 \n",
            b"-9 path=x\n",
        ] {
            assert!(Extension::default().read_pax(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            Extension::default().read_pax(&record("GNU.sparse.major", b"1")),
            Err(Problem::Type)
        );
        assert_eq!(
            Extension::default().read_pax(&record("uid", b"99999999999999999999")),
            Err(Problem::Number)
        );
    }

    proptest! {
        #[test]
        fn hostile_records_are_an_error_at_worst(records in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Extension::default().read_pax(&records);
        }
    }
}
