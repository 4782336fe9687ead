//! Metrics as CloudWatch takes them out of the log: one line of JSON in its embedded metric format.

use std::time::{SystemTime, UNIX_EPOCH};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Treza";

/// Writes counts to the log of `environment`.
pub fn count(environment: &str, counts: &[(&str, u64)]) {
    println!("{}", line(environment, counts, now_ms()));
}

fn line(environment: &str, counts: &[(&str, u64)], timestamp: u64) -> String {
    let metrics: Vec<_> = counts
        .iter()
        .map(|(name, _)| serde_json::json!({"Name": name, "Unit": "Count"}))
        .collect();
    let mut line = serde_json::json!({
        "_aws": {
            "Timestamp": timestamp,
            "CloudWatchMetrics": [
                {"Namespace": NAMESPACE, "Dimensions": [["Environment"]], "Metrics": metrics}
            ],
        },
        "Environment": environment,
    });
    for (name, value) in counts {
        line[*name] = (*value).into();
    }
    line.to_string()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The format: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
    #[test]
    fn a_line_holds_each_metric_once_as_a_name_and_once_as_a_value() {
        let line: serde_json::Value =
            serde_json::from_str(&line("dev", &[("RowsStuck", 2), ("RowsFailed", 0)], 7)).unwrap();
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(line["_aws"]["Timestamp"], 7);
        assert_eq!(directive["Namespace"], "Treza");
        assert_eq!(directive["Dimensions"][0][0], "Environment");
        assert_eq!(directive["Metrics"][0]["Name"], "RowsStuck");
        assert_eq!(
            (&line["RowsStuck"], &line["RowsFailed"], &line["Environment"]),
            (&2.into(), &0.into(), &"dev".into())
        );
    }
}
