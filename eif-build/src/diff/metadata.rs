//! Metadata compared by its keys, as they stand in the file's JSON.
use std::collections::BTreeMap;

use serde_json::Value;

use super::Found;
use crate::eif::Metadata;

/// The longest value that is shown whole, in characters.
const SHOWN: usize = 200;

pub(super) fn compare(found: &mut Found, a: &Metadata, b: &Metadata) {
    let (a, b) = (flat(a), flat(b));
    for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
        let value = |side: &BTreeMap<String, String>| side.get(key).cloned().unwrap_or_default();
        found.compare("metadata", Some(key), "value", value(&a), value(&b));
    }
}

/// Each leaf under its path: `BuildMetadata.BuildTime`.
fn flat(metadata: &Metadata) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    let mut left = vec![(String::new(), serde_json::json!(metadata))];
    while let Some((path, value)) = left.pop() {
        let below = |name: &str| {
            if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            }
        };
        match value {
            Value::Object(members) if !members.is_empty() => {
                left.extend(members.into_iter().map(|(name, value)| (below(&name), value)));
            }
            Value::Array(items) if !items.is_empty() => {
                let items = items.into_iter().enumerate();
                left.extend(items.map(|(number, value)| (below(&number.to_string()), value)));
            }
            leaf => {
                let key = contract::fault::printable(&path, SHOWN);
                leaves.insert(key, contract::fault::printable(&leaf.to_string(), SHOWN));
            }
        }
    }
    leaves
}
