//! Filter patterns of event source mappings: EventBridge's, as far as they are used here. A pattern with anything else
//! is refused, as a filter that means something else than it says would make every test of it worthless.

use serde_json::{Map, Value};

/// A filter pattern.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern(Map<String, Value>);

impl Pattern {
    /// Reads a pattern, or says what of it is not emulated.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match serde_json::from_str(text) {
            Ok(Value::Object(pattern)) => check(&pattern).map(|()| Self(pattern)),
            Ok(_) => Err(format!("the filter pattern {text} is no object")),
            Err(error) => Err(format!("the filter pattern {text}: {error}")),
        }
    }

    /// Whether it lets a record through.
    pub(super) fn matches(&self, record: &Value) -> bool {
        fields(&self.0, record)
    }
}

fn check(pattern: &Map<String, Value>) -> Result<(), String> {
    for (field, wanted) in pattern {
        match wanted {
            Value::Object(inner) => check(inner)?,
            Value::Array(alternatives) if field != "$or" => {
                if let Some(unknown) = alternatives.iter().find(|rule| !is_known(rule)) {
                    return Err(format!("the filter rule {unknown} of {field} is not emulated"));
                }
            }
            other => return Err(format!("the filter {field}: {other} is not emulated")),
        }
    }
    Ok(())
}

fn is_known(rule: &Value) -> bool {
    let Value::Object(rule) = rule else {
        return !rule.is_array();
    };
    let mut operators = rule.iter();
    let (Some((operator, operand)), None) = (operators.next(), operators.next()) else {
        return false;
    };
    match operator.as_str() {
        "exists" => operand.is_boolean(),
        "prefix" => operand.is_string(),
        "anything-but" => match operand {
            Value::Array(all) => all.iter().all(|one| one.is_string() || one.is_number()),
            one => one.is_string() || one.is_number(),
        },
        _ => false,
    }
}

fn fields(pattern: &Map<String, Value>, value: &Value) -> bool {
    pattern.iter().all(|(name, wanted)| {
        let found = value.get(name);
        match wanted {
            Value::Object(inner) => fields(inner, found.unwrap_or(&Value::Null)),
            Value::Array(alternatives) => alternatives.iter().any(|rule| holds(rule, found)),
            _ => false,
        }
    })
}

fn holds(rule: &Value, found: Option<&Value>) -> bool {
    let Value::Object(operator) = rule else {
        return any(found, |value| value == rule);
    };
    if let Some(Value::Bool(wanted)) = operator.get("exists") {
        // Of leaves only: an object is not there, whatever is in it.
        return found.is_some_and(|value| !value.is_object()) == *wanted;
    }
    if let Some(Value::String(prefix)) = operator.get("prefix") {
        return any(found, |value| {
            value.as_str().is_some_and(|text| text.starts_with(prefix))
        });
    }
    match operator.get("anything-but") {
        Some(Value::Array(all)) => any(found, |value| !all.contains(value)),
        Some(one) => any(found, |value| value != one),
        None => false,
    }
}

/// Whether it holds of the leaf, or of one of the leaves of a list.
fn any(found: Option<&Value>, is: impl Fn(&Value) -> bool) -> bool {
    match found {
        Some(Value::Array(values)) => values.iter().any(is),
        Some(Value::Object(_)) | None => false,
        Some(value) => is(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matches(pattern: Value, record: Value) -> bool {
        Pattern::parse(&pattern.to_string()).unwrap().matches(&record)
    }

    fn status(rule: Value) -> Value {
        json!({"dynamodb": {"NewImage": {"status": {"S": rule}}}})
    }

    #[test]
    fn a_value_is_one_of_those_named() {
        let pattern = || status(json!(["PENDING_DEPLOY", "PAUSING"]));
        assert!(matches(pattern(), status(json!("PAUSING"))));
        assert!(!matches(pattern(), status(json!("PAUSED"))));
        assert!(
            !matches(pattern(), json!({"dynamodb": {"OldImage": {}}})),
            "it is absent"
        );
        assert!(!matches(pattern(), json!({"dynamodb": "text"})));
        assert!(matches(json!({"a": [1, null, true]}), json!({"a": null})));
        assert!(!matches(json!({"a": [null]}), json!({})), "absent is not null");
        assert!(matches(json!({"a": ["x"]}), json!({"a": ["y", "x"]})));
    }

    #[test]
    fn every_field_must_match_and_an_empty_pattern_does() {
        let both = || json!({"eventName": ["INSERT", "MODIFY"], "dynamodb": {"Keys": {"id": {"S": ["a"]}}}});
        let record =
            |name: &str, id: &str| json!({"eventName": name, "dynamodb": {"Keys": {"id": {"S": id}}}});
        assert!(matches(both(), record("INSERT", "a")));
        assert!(!matches(both(), record("REMOVE", "a")));
        assert!(!matches(both(), record("INSERT", "b")));
        assert!(matches(json!({}), record("REMOVE", "b")));
    }

    #[test]
    fn anything_but_wants_another_value_and_exists_any() {
        let but = || status(json!([{"anything-but": ["DEPLOYED", "FAILED"]}]));
        assert!(matches(but(), status(json!("PENDING_DEPLOY"))));
        assert!(!matches(but(), status(json!("FAILED"))));
        assert!(
            !matches(but(), json!({"dynamodb": {"NewImage": {}}})),
            "it is absent"
        );
        assert!(!matches(json!({"a": [{"anything-but": "x"}]}), json!({"a": "x"})));
        assert!(matches(status(json!([{"exists": true}])), status(json!(""))));
        assert!(!matches(status(json!([{"exists": false}])), status(json!(""))));
        assert!(matches(status(json!([{"exists": false}])), json!({})));
        assert!(
            !matches(json!({"a": [{"exists": true}]}), json!({"a": {"b": 1}})),
            "no leaf"
        );
        assert!(matches(
            json!({"a": [{"prefix": "PEND"}]}),
            json!({"a": "PENDING"})
        ));
        assert!(!matches(
            json!({"a": [{"prefix": "PEND"}]}),
            json!({"a": "SPEND"})
        ));
    }

    #[test]
    fn what_is_not_emulated_is_refused() {
        for pattern in [
            json!({"a": [{"numeric": [">", 1]}]}),
            json!({"a": [{"anything-but": {"prefix": "x"}}]}),
            json!({"a": [{"exists": true, "prefix": "x"}]}),
            json!({"$or": [{"a": ["x"]}]}),
            json!({"a": "x"}),
            json!({"a": [["x"]]}),
            json!({"a": [{"exists": "yes"}]}),
            json!(["x"]),
        ] {
            assert!(Pattern::parse(&pattern.to_string()).is_err(), "{pattern}");
        }
        assert!(Pattern::parse("{").is_err());
    }
}
