//! Records of a table's stream, and the batches of them that Lambda hands on.
//!
//! The event: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-example.html>.

use crate::fault::{Fault, printable};
use crate::item::Item;
use crate::row::key;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

/// The most digits of a sequence number; AWS's have 21 to 40.
const MOST_DIGITS: usize = 64;

/// One change of one item.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its sequence number: decimal digits.
    pub sequence: String,
    /// The item before; none: it is new.
    pub old: Option<Item>,
    /// The item after; none: it was deleted.
    pub new: Option<Item>,
}

/// A batch of a stream.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records that read, by their item's key: those of one item in their order.
    pub items: Vec<Vec<Record>>,
    /// Those that do not.
    pub poison: Vec<Poison>,
}

/// A record that does not read.
#[derive(Debug, PartialEq, Eq)]
pub struct Poison {
    /// Its sequence number, as it stands there.
    pub sequence: String,
    /// Why it does not read.
    pub problem: String,
}

/// `dynamodb` of a record.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawChange {
    sequence_number: String,
    keys: Item,
    old_image: Option<Item>,
    new_image: Option<Item>,
}

impl Batch {
    /// Reads Lambda's event. A record that does not read keeps no other from being read.
    ///
    /// # Errors
    /// It is no batch, or a record of it has no sequence number to be known by.
    pub fn read(event: &Value) -> Result<Self, Fault> {
        let records = event.get("Records").and_then(Value::as_array);
        let records = records.ok_or_else(|| Fault::new("Records", "is missing, or no list"))?;
        let mut batch = Self::default();
        let mut places = HashMap::new();
        for (at, raw) in records.iter().enumerate() {
            match read(raw) {
                Ok((key, record)) => {
                    let place = *places.entry(key).or_insert(batch.items.len());
                    match batch.items.get_mut(place) {
                        Some(item) => item.push(record),
                        None => batch.items.push(vec![record]),
                    }
                }
                Err(problem) => {
                    let sequence = sequence_of(raw)
                        .ok_or_else(|| Fault::new(format!("Records.{at}"), problem.clone()))?;
                    batch.poison.push(Poison { sequence, problem });
                }
            }
        }
        Ok(batch)
    }
}

/// A record and the key of its item.
fn read(raw: &Value) -> Result<(String, Record), String> {
    let change = raw.get("dynamodb").filter(|change| change.is_object());
    let change = change.ok_or("it has no object `dynamodb`")?;
    let change = RawChange::deserialize(change).map_err(|error| printable(&error.to_string(), 200))?;
    let sequence = change.sequence_number;
    let is_number =
        (1..=MOST_DIGITS).contains(&sequence.len()) && sequence.bytes().all(|b| b.is_ascii_digit());
    if !is_number {
        let found = printable(&sequence, MOST_DIGITS);
        return Err(format!(
            "its sequence number is {found:?}, not at most {MOST_DIGITS} decimal digits"
        ));
    }
    let key = key(&change.keys)
        .ok_or("it has no key `id` that is a string")?
        .to_owned();
    let record = Record {
        sequence,
        old: change.old_image,
        new: change.new_image,
    };
    Ok((key, record))
}

/// The sequence number of a record of which nothing else may read.
fn sequence_of(raw: &Value) -> Option<String> {
    Some(raw.get("dynamodb")?.get("SequenceNumber")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(sequence: &str, id: &str) -> Value {
        json!({"eventName": "MODIFY", "dynamodb": {"SequenceNumber": sequence, "Keys": {"id": {"S": id}},
            "NewImage": {"id": {"S": id}, "status": {"S": "PENDING_DEPLOY"}, "evidence": {"B": "AAE="}}}})
    }

    fn read(records: &[Value]) -> Batch {
        Batch::read(&json!({ "Records": records })).unwrap()
    }

    #[test]
    fn the_records_of_one_item_stay_in_their_order() {
        let batch = read(&[record("1", "a"), record("2", "b"), record("3", "a")]);
        let sequences: Vec<Vec<_>> = batch
            .items
            .iter()
            .map(|item| item.iter().map(|record| record.sequence.as_str()).collect())
            .collect();
        assert_eq!(sequences, [vec!["1", "3"], vec!["2"]]);
        assert_eq!(batch.poison, []);
    }

    #[test]
    fn a_record_that_does_not_read_is_known_by_its_number() {
        let mut wrong = record("2", "b");
        wrong["dynamodb"]["NewImage"]["status"] = json!({"S": 3});
        let mut keyless = record("4", "d");
        keyless["dynamodb"]["Keys"] = json!({"name": {"S": "d"}});
        let long = "9".repeat(MOST_DIGITS + 1);
        let batch = read(&[
            record("1", "a"),
            wrong,
            record("3", "c"),
            keyless,
            record("-5", "e"),
            record("", "f"),
            record(&long, "g"),
        ]);
        assert_eq!(batch.items.len(), 2);
        let numbers: Vec<_> = batch.poison.iter().map(|poison| &poison.sequence).collect();
        assert_eq!(numbers, ["2", "4", "-5", "", long.as_str()]);
        assert!(
            batch.poison[0].problem.contains("string"),
            "{:?}",
            batch.poison[0]
        );
    }

    #[test]
    fn what_is_no_batch_is_refused() {
        for event in [json!(3), json!({}), json!({"Records": 3}), json!([[]])] {
            assert_eq!(Batch::read(&event).unwrap_err().field, "Records");
        }
        let nameless = json!({"Records": [record("1", "a"), {"dynamodb": {"SequenceNumber": 2}}]});
        assert_eq!(Batch::read(&nameless).unwrap_err().field, "Records.1");
    }
}
