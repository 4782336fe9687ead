//! A DynamoDB item, free of any SDK: as it comes from the table, from DynamoDB's JSON, or from plain JSON.

use crate::fault::Fault;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
pub use serde_dynamo::{AttributeValue, Item};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Reads an item from JSON text: plain JSON (binary as base64 text), DynamoDB's JSON (`{"id": {"S": "…"}}`), or the
/// latter in `{"Item": …}` as the AWS CLI prints it.
pub fn read(text: &str) -> Result<Item, Fault> {
    let wrong = |problem: String| Fault::new("row", problem);
    let value: Value = serde_json::from_str(text).map_err(|error| wrong(format!("is not JSON: {error}")))?;
    let Value::Object(mut object) = value else {
        return Err(wrong("is not a JSON object".into()));
    };
    if let (1, Some(Value::Object(inner))) = (object.len(), object.get("Item")) {
        object = inner.clone();
    }
    let attributes: HashMap<String, AttributeValue> = if object.values().all(is_typed) {
        object
            .iter()
            .map(|(key, value)| Ok((key.clone(), typed(key, value)?)))
            .collect::<Result<_, Fault>>()?
    } else {
        object
            .into_iter()
            .map(|(key, value)| (key, plain(value)))
            .collect()
    };
    Ok(Item::from(attributes))
}

/// The item as plain JSON, its keys in order; binary in base64, numbers as numbers where JSON can hold them.
pub fn to_plain_json(item: &Item) -> Value {
    object_of(item.inner())
}

fn object_of(map: &HashMap<String, AttributeValue>) -> Value {
    let mut keys: Vec<_> = map.iter().collect();
    keys.sort_by(|a, b| a.0.cmp(b.0));
    Value::Object(
        keys.into_iter()
            .map(|(key, value)| (key.clone(), json_of(value)))
            .collect::<Map<_, _>>(),
    )
}

fn json_of(value: &AttributeValue) -> Value {
    let texts = |texts: &[String]| Value::Array(texts.iter().cloned().map(Value::String).collect());
    let number = |n: &String| {
        serde_json::from_str::<serde_json::Number>(n).map_or(Value::String(n.clone()), Value::Number)
    };
    match value {
        AttributeValue::S(text) => Value::String(text.clone()),
        AttributeValue::N(digits) => number(digits),
        AttributeValue::B(bytes) => Value::String(STANDARD.encode(bytes)),
        AttributeValue::Bool(flag) => Value::Bool(*flag),
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::M(map) => object_of(map),
        AttributeValue::L(list) => Value::Array(list.iter().map(json_of).collect()),
        AttributeValue::Ss(set) => texts(set),
        AttributeValue::Ns(set) => Value::Array(set.iter().map(number).collect()),
        AttributeValue::Bs(set) => {
            Value::Array(set.iter().map(|b| Value::String(STANDARD.encode(b))).collect())
        }
    }
}

fn plain(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(flag) => AttributeValue::Bool(flag),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text),
        Value::Array(list) => AttributeValue::L(list.into_iter().map(plain).collect()),
        Value::Object(map) => AttributeValue::M(map.into_iter().map(|(k, v)| (k, plain(v))).collect()),
    }
}

const TYPES: [&str; 10] = ["S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"];

fn is_typed(value: &Value) -> bool {
    matches!(value, Value::Object(map) if map.len() == 1 && map.keys().all(|key| TYPES.contains(&key.as_str())))
}

fn typed(path: &str, value: &Value) -> Result<AttributeValue, Fault> {
    let wrong = || {
        Fault::new(
            path,
            "is not a value of DynamoDB's JSON, such as {\"S\": \"text\"}",
        )
    };
    let (kind, inner) = value
        .as_object()
        .and_then(|map| map.iter().next())
        .ok_or_else(wrong)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
    let bytes = |value: &Value| {
        STANDARD
            .decode(value.as_str().ok_or_else(wrong)?)
            .map_err(|_| wrong())
    };
    let list = || inner.as_array().ok_or_else(wrong);
    Ok(match kind.as_str() {
        "S" => AttributeValue::S(text(inner)?),
        "N" => AttributeValue::N(text(inner)?),
        "B" => AttributeValue::B(bytes(inner)?),
        "BOOL" => AttributeValue::Bool(inner.as_bool().ok_or_else(wrong)?),
        "NULL" => AttributeValue::Null(true),
        "M" => {
            let map = inner.as_object().ok_or_else(wrong)?;
            let read =
                |(key, value): (&String, &Value)| Ok((key.clone(), typed(&format!("{path}.{key}"), value)?));
            AttributeValue::M(map.iter().map(read).collect::<Result<_, Fault>>()?)
        }
        "L" => AttributeValue::L(
            list()?
                .iter()
                .map(|value| typed(path, value))
                .collect::<Result<_, _>>()?,
        ),
        "SS" => AttributeValue::Ss(list()?.iter().map(text).collect::<Result<_, _>>()?),
        "NS" => AttributeValue::Ns(list()?.iter().map(text).collect::<Result<_, _>>()?),
        "BS" => AttributeValue::Bs(list()?.iter().map(bytes).collect::<Result<_, _>>()?),
        _ => return Err(wrong()),
    })
}

/// For `#[serde(with = …)]` on bytes: binary in a table; reads base64 text too, as plain JSON has it.
pub(crate) mod binary {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::Serializer;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("binary, or base64 text")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
                Ok(bytes)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                STANDARD.decode(text).map_err(|_| E::custom("is not base64"))
            }
        }
        from.deserialize_any(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_json_forms_read_alike() {
        let plain = read(r#"{"id": "a", "n": 3, "deep": {"list": ["x", true, null]}}"#).unwrap();
        let typed = read(
            r#"{"id": {"S": "a"}, "n": {"N": "3"},
                "deep": {"M": {"list": {"L": [{"S": "x"}, {"BOOL": true}, {"NULL": true}]}}}}"#,
        )
        .unwrap();
        assert_eq!(plain, typed);
        let wrapped = read(r#"{"Item": {"id": {"S": "a"}}}"#).unwrap();
        assert_eq!(wrapped.get("id"), Some(&AttributeValue::S("a".into())));
    }

    #[test]
    fn what_is_no_item_is_refused_by_its_place() {
        assert!(read("[]").is_err());
        assert!(read("{").is_err());
        let fault = read(r#"{"a": {"M": {"b": {"N": 3}}}}"#).unwrap_err();
        assert_eq!(fault.field, "a.b");
    }

    #[test]
    fn plain_json_out_and_in_again() {
        let item = read(r#"{"id": {"S": "a"}, "b": {"B": "AAE="}, "n": {"N": "12"}}"#).unwrap();
        assert_eq!(
            to_plain_json(&item).to_string(),
            r#"{"b":"AAE=","id":"a","n":12}"#
        );
    }

    proptest::proptest! {
        #[test]
        fn hostile_text_never_panics(text in ".{0,200}") {
            let _ = read(&text);
        }
    }
}
