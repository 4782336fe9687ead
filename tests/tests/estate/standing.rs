//! The estate as Terraform made it.

use crate::trip::Trip;
use end_to_end::estate::{Estate, Inventory};

/// Of the pipeline, each with its own role.
const FUNCTIONS: [&str; 10] = [
    "trigger",
    "validate",
    "measure",
    "place",
    "outcome",
    "finish",
    "request",
    "verify-report",
    "fail",
    "monitor",
];

pub(crate) async fn all_that_the_pipeline_needs_is_there(trip: &Trip) {
    let all = Inventory::of(trip.estate.account(), &[]).await.unwrap();
    let there = |kind: &str, name: &str| {
        let line = format!("{kind} {}-{name}", Estate::PREFIX);
        assert!(
            all.of_kind(kind).contains(&line.as_str()),
            "{line} is not in:\n{all}"
        );
    };
    FUNCTIONS.iter().for_each(|name| there("function", name));
    ["deploy", "cleanup", "pause"]
        .iter()
        .for_each(|name| there("state-machine", name));
    ["enclaves", "reports", "turns"]
        .iter()
        .for_each(|name| there("table", name));
    assert_eq!(all.of_kind("event-source-mapping").len(), 2, "{all}");
    assert_eq!(all.of_kind("instance"), [] as [&str; 0]);
}
