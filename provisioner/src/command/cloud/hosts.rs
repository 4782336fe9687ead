//! The hosts that stand. Each has a state of Terraform's in the bucket, from before it is made until it is given back, so
//! that is where they are counted: a row may have failed or be gone, and its instance cost money still.

use super::super::Error;
use super::Environment;
use contract::Status;
use contract::fault::{causes, printable};
use contract::status;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use store::Rows;

/// Where their states are, as the runner keeps them (`runner::state_key`).
const FOLDER: &str = "hosts/";
const STATE: &str = ".tfstate";
/// The most bytes of one that is read for its names.
const MAX_STATE: u64 = 4 << 20;
/// How many of them are named.
const NAMED: usize = 5;

/// What each host's state is called, and those that are only just being made.
pub(super) async fn states(environment: &Environment) -> Result<BTreeSet<String>, Error> {
    if !environment.has_bucket().await? {
        return Ok(BTreeSet::new());
    }
    let bucket = &environment.bucket;
    let client = environment.connection.s3().await;
    let mut pages = client
        .list_objects_v2()
        .bucket(bucket)
        .prefix(FOLDER)
        .into_paginator()
        .send();
    let mut states = BTreeSet::new();
    while let Some(page) = pages.next().await {
        let page =
            page.map_err(|error| Error::CouldNot(format!("bucket {bucket}: {}", causes(&error, 300))))?;
        let keys = page
            .contents
            .into_iter()
            .flatten()
            .filter_map(|object| object.key);
        // Of one that is being made there may be the lock alone.
        states.extend(keys.filter_map(|key| Some(key.split_once(STATE)?.0.to_owned())));
    }
    Ok(states)
}

/// How many rows there are in each status, without those in which there are none.
pub(super) async fn counts(rows: &Rows) -> Result<Map<String, Value>, Error> {
    let mut counts = Map::new();
    for status in status::ALL {
        let rows = rows.ids_by_status(status).await?.len();
        if rows > 0 {
            counts.insert(status.to_string(), rows.into());
        }
    }
    Ok(counts)
}

/// Refuses while there is a host, or a pipeline and a row that has or waits for one: what is left has no one who would
/// take it down any more.
pub(super) async fn refuse_while_any(
    environment: &Environment,
    base: Option<&Value>,
    pipeline: bool,
) -> Result<(), Error> {
    const ENDED: [Status; 2] = [Status::Destroyed, Status::Failed];
    let mut found = Vec::new();
    if let Some(base) = base.filter(|_| pipeline) {
        let counts = counts(&environment.rows(base).await?).await?;
        let living = counts
            .iter()
            .filter(|(status, _)| !ENDED.iter().any(|ended| ended.as_str() == status.as_str()))
            .map(|(status, count)| format!("{count} {status}"));
        let living: Vec<_> = living.collect();
        if !living.is_empty() {
            found.push(format!(
                "rows have hosts, or wait for one ({})",
                living.join(", ")
            ));
        }
    }
    let states = states(environment).await?;
    if !states.is_empty() {
        let mut names = Vec::new();
        for state in states.iter().take(NAMED) {
            names.push(named(environment, state).await);
        }
        let more = if states.len() > NAMED { ", …" } else { "" };
        found.push(format!(
            "hosts stand: {} ({}{more})",
            states.len(),
            names.join(", ")
        ));
    }
    if found.is_empty() {
        return Ok(());
    }
    let first = match pipeline {
        true => String::new(),
        false => format!(
            "treza cloud deploy --environment {}, which takes them down, then ",
            environment.name
        ),
    };
    Err(Error::Refused(format!(
        "{}: nobody would be left to take them down. Nothing was done. End them first: {first}`treza destroy ID --environment {} --wait`",
        found.join("; "),
        environment.name
    )))
}

/// Instance and row of a host, for a person; where its state does not say, the state.
async fn named(environment: &Environment, state: &str) -> String {
    read(environment, state)
        .await
        .and_then(|value| names(&value))
        .unwrap_or_else(|| format!("the state {}{STATE}", printable(state, 128)))
}

async fn read(environment: &Environment, state: &str) -> Option<Value> {
    let file = environment.terraform.kept("host.tfstate").ok()?;
    let uri = format!("s3://{}/{state}{STATE}", environment.bucket);
    let fetched = store::objects::fetch(&uri, &file, MAX_STATE, &environment.connection).await;
    let text = fetched.ok().and_then(|()| std::fs::read(&file).ok());
    let _ = std::fs::remove_file(&file);
    serde_json::from_slice(&text?).ok()
}

/// Out of the state: the instance, and the row that all of the host is tagged with.
fn names(state: &Value) -> Option<String> {
    let resources = state["resources"].as_array()?.iter();
    let attributes = resources.flat_map(|resource| {
        let instances = resource["instances"].as_array().into_iter().flatten();
        instances.map(|instance| (&resource["type"], &instance["attributes"]))
    });
    let mut row = None;
    let mut instance = None;
    for (kind, attributes) in attributes {
        row = row.or_else(|| attributes.pointer("/tags/treza:id").and_then(Value::as_str));
        if kind == "aws_instance" {
            instance = instance.or_else(|| attributes["id"].as_str());
        }
    }
    let instance = instance.unwrap_or("an instance that is not made yet");
    Some(format!(
        "{} of row {}",
        printable(instance, 64),
        printable(row?, 64)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_state_names_instance_and_row() {
        let role = json!({"type": "aws_iam_role", "instances": [{"attributes": {"id": "role", "tags": {"treza:id": "enc_1"}}}]});
        let instance = json!({"type": "aws_instance", "instances": [{"attributes": {"id": "i-1"}}]});
        let whole = json!({"resources": [role, instance]});
        assert_eq!(names(&whole).unwrap(), "i-1 of row enc_1");
        let half = json!({"resources": [role]});
        assert_eq!(
            names(&half).unwrap(),
            "an instance that is not made yet of row enc_1"
        );
        assert_eq!(names(&json!({"resources": []})), None);
        assert_eq!(names(&json!([])), None);
    }
}
