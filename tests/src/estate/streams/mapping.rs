//! Event source mappings of the account.

use super::delivery::Rules;
use super::filter::Pattern;
use crate::estate::account::{Account, CallError};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// What Lambda takes where the mapping does not say.
const BATCH_SIZE: usize = 100;
/// DynamoDB's limit of one read.
const MOST_AT_ONCE: usize = 1_000;

/// A mapping of a table's stream to a function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mapping {
    pub(super) uuid: String,
    pub(super) stream_arn: String,
    pub(super) function_arn: String,
    pub(super) batch_size: usize,
    /// How long a batch is waited for to become full.
    pub(super) window: Duration,
    /// One of them must match; none: every record is delivered.
    pub(super) filters: Vec<Pattern>,
    /// `TRIM_HORIZON` or `LATEST`.
    pub(super) starting_position: String,
    pub(super) rules: Rules,
    /// The ARN of the queue that is told of what could not be delivered.
    pub(super) on_failure: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Configuration {
    #[serde(rename = "UUID")]
    uuid: String,
    event_source_arn: String,
    function_arn: String,
    state: String,
    starting_position: Option<String>,
    batch_size: Option<usize>,
    maximum_batching_window_in_seconds: Option<u64>,
    maximum_retry_attempts: Option<i64>,
    maximum_record_age_in_seconds: Option<i64>,
    #[serde(default)]
    bisect_batch_on_function_error: bool,
    #[serde(default)]
    function_response_types: Vec<String>,
    filter_criteria: Option<FilterCriteria>,
    destination_config: Option<DestinationConfig>,
    parallelization_factor: Option<u32>,
    tumbling_window_in_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FilterCriteria {
    #[serde(default)]
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    pattern: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DestinationConfig {
    on_failure: Option<OnFailure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OnFailure {
    destination: Option<String>,
}

impl Mapping {
    /// Those of streams that are enabled, and what is wrong with those that cannot be served.
    pub(super) async fn all(account: &Account) -> Result<(Vec<Self>, Vec<String>), CallError> {
        let answer = account
            .get_json("lambda", "/2015-03-31/event-source-mappings/")
            .await?;
        let (mut mappings, mut unfit) = (Vec::new(), Vec::new());
        for one in answer["EventSourceMappings"].as_array().into_iter().flatten() {
            match Self::read(one.clone()) {
                Ok(mapping) => mappings.extend(mapping),
                Err(problem) => unfit.push(format!("event source mapping {}: {problem}", one["UUID"])),
            }
        }
        Ok((mappings, unfit))
    }

    fn read(value: Value) -> Result<Option<Self>, String> {
        let read: Configuration = serde_json::from_value(value).map_err(|error| error.to_string())?;
        if read.state != "Enabled" || !read.event_source_arn.contains(":dynamodb:") {
            return Ok(None);
        }
        if read.parallelization_factor.unwrap_or(1) != 1 || read.tumbling_window_in_seconds.unwrap_or(0) != 0
        {
            return Err("a parallelization factor and a tumbling window are not emulated".into());
        }
        let filters = read
            .filter_criteria
            .map(|criteria| criteria.filters)
            .unwrap_or_default();
        let filters = filters.iter().map(|filter| Pattern::parse(&filter.pattern));
        let starting_position = read.starting_position.unwrap_or_default();
        if !["TRIM_HORIZON", "LATEST"].contains(&starting_position.as_str()) {
            return Err(format!(
                "the starting position {starting_position:?} is not emulated"
            ));
        }
        let on_failure = read
            .destination_config
            .and_then(|config| config.on_failure?.destination);
        if let Some(other) = on_failure.as_ref().filter(|arn| !arn.contains(":sqs:")) {
            return Err(format!(
                "the destination {other} is no queue, which is not emulated"
            ));
        }
        Ok(Some(Self {
            uuid: read.uuid,
            stream_arn: read.event_source_arn,
            function_arn: read.function_arn,
            batch_size: read.batch_size.unwrap_or(BATCH_SIZE).clamp(1, MOST_AT_ONCE),
            window: Duration::from_secs(read.maximum_batching_window_in_seconds.unwrap_or(0)),
            filters: filters.collect::<Result<_, _>>()?,
            starting_position,
            rules: Rules {
                partial: read
                    .function_response_types
                    .iter()
                    .any(|kind| kind == "ReportBatchItemFailures"),
                bisect: read.bisect_batch_on_function_error,
                // -1: no limit.
                retries: read
                    .maximum_retry_attempts
                    .and_then(|most| u32::try_from(most).ok()),
                age: read
                    .maximum_record_age_in_seconds
                    .and_then(|most| u64::try_from(most).ok())
                    .map(Duration::from_secs),
            },
            on_failure,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mapping() -> Value {
        json!({
            "UUID": "u", "EventSourceArn": "arn:aws:dynamodb:us-west-2:123456789012:table/t/stream/x",
            "FunctionArn": "arn:aws:lambda:us-west-2:123456789012:function:f", "State": "Enabled",
            "StartingPosition": "TRIM_HORIZON", "BatchSize": 10, "MaximumRetryAttempts": 3,
            "BisectBatchOnFunctionError": true, "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "FilterCriteria": {"Filters": [{"Pattern": "{\"eventName\":[\"INSERT\"]}"}]},
            "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-west-2:123456789012:q"}},
        })
    }

    #[test]
    fn a_mapping_is_read_whole() {
        let read = Mapping::read(mapping()).unwrap().unwrap();
        assert_eq!(
            (read.batch_size, read.rules.retries, read.filters.len()),
            (10, Some(3), 1)
        );
        assert!(read.rules.partial && read.rules.bisect && read.rules.age.is_none());
        assert_eq!(
            read.on_failure.as_deref(),
            Some("arn:aws:sqs:us-west-2:123456789012:q")
        );
        let mut endless = mapping();
        endless["MaximumRetryAttempts"] = json!(-1);
        assert_eq!(Mapping::read(endless).unwrap().unwrap().rules.retries, None);
    }

    #[test]
    fn what_is_off_or_of_a_queue_is_left_and_what_is_not_emulated_refused() {
        for (name, value) in [
            ("State", json!("Disabled")),
            ("EventSourceArn", json!("arn:aws:sqs:us-west-2:123456789012:q")),
        ] {
            let mut other = mapping();
            other[name] = value;
            assert_eq!(Mapping::read(other), Ok(None), "{name}");
        }
        for (name, value) in [
            ("ParallelizationFactor", json!(2)),
            ("StartingPosition", json!("AT_TIMESTAMP")),
            ("FilterCriteria", json!({"Filters": [{"Pattern": "[]"}]})),
            (
                "DestinationConfig",
                json!({"OnFailure": {"Destination": "arn:aws:sns:us-west-2:1:t"}}),
            ),
        ] {
            let mut other = mapping();
            other[name] = value;
            assert!(Mapping::read(other).is_err(), "{name}");
        }
    }
}
