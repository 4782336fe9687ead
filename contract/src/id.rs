//! The id of a row.

use crate::fault::printable;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The id of a row: `[A-Za-z0-9_-]{1,64}`, so that it may stand in a path, an execution name or an ARN as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RecordId(String);

/// id {0:?} is not 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("id {0:?} is not 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'")]
pub struct BadId(String);

impl RecordId {
    /// The longest id, in bytes.
    pub const MAX: usize = 64;

    /// Takes `id` if it is one.
    pub fn parse(id: &str) -> Result<Self, BadId> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if id.is_empty() || id.len() > Self::MAX || !id.bytes().all(fits) {
            return Err(BadId(printable(id, Self::MAX)));
        }
        Ok(Self(id.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<RecordId> for String {
    fn from(id: RecordId) -> Self {
        id.0
    }
}

impl TryFrom<String> for RecordId {
    type Error = BadId;

    fn try_from(id: String) -> Result<Self, BadId> {
        Self::parse(&id)
    }
}

impl AsRef<str> for RecordId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_ids_are_refused() {
        for bad in [
            "",
            "../x",
            "a/b",
            "a b",
            "ä",
            "x\n",
            "a.b",
            "$(id)",
            &"x".repeat(65),
        ] {
            assert!(RecordId::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "enc_1-2", &"x".repeat(64)] {
            assert_eq!(RecordId::parse(good).unwrap().as_str(), good);
        }
    }
}
