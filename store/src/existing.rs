//! A table of rows that was there before the pipeline: what it lacks, the calls that mend it, and what nobody can mend.

use crate::error::Error;
use crate::schema::{Built, INDEXES, hash_key, projection, text_attribute};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate, IndexStatus, KeySchemaElement,
    KeyType, ProvisionedThroughput, ScalarAttributeType, StreamSpecification, StreamViewType,
    TableDescription,
};
use contract::row::attribute;
use std::fmt;
use std::time::{Duration, Instant};

/// How long an index may take to be filled, and the wait between two looks.
const FILLING: Duration = Duration::from_secs(30 * 60);
const LOOK: Duration = Duration::from_secs(5);

/// A call of UpdateTable that the table needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Ends its stream, which has not both images.
    EndStream,
    /// Begins a stream of old and new images.
    BeginStream,
    /// Makes the index of this name by this key.
    AddIndex(&'static str, &'static str),
}

/// What was found of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// The calls that it needs, in their order.
    pub updates: Vec<Update>,
    /// What no call mends.
    pub faults: Vec<String>,
    /// What works and costs more than it must.
    pub remarks: Vec<String>,
}

/// Looks at `table`.
///
/// # Errors
/// There is no such table, or it cannot be described.
pub async fn check(client: &Client, table: &str) -> Result<Findings, Error> {
    Ok(findings(&describe(client, table).await?))
}

/// Makes one of the calls, and waits until the table is as it says. (DynamoDB makes one index at a time.)
///
/// # Errors
/// The call fails, or the index is not filled in time.
pub async fn update(client: &Client, table: &str, update: &Update) -> Result<(), Error> {
    let described = describe(client, table).await?;
    let call = client.update_table().table_name(table);
    let stream = |enabled: bool| {
        let view = enabled.then_some(StreamViewType::NewAndOldImages);
        StreamSpecification::builder()
            .stream_enabled(enabled)
            .set_stream_view_type(view)
            .build()
            .map_err(Error::definition)
    };
    let call = match update {
        Update::EndStream => call.stream_specification(stream(false)?),
        Update::BeginStream => call.stream_specification(stream(true)?),
        Update::AddIndex(name, key) => call
            .attribute_definitions(text_attribute(attribute::ID).map_err(Error::definition)?)
            .attribute_definitions(text_attribute(key).map_err(Error::definition)?)
            .global_secondary_index_updates(new_index(&described, name, key).map_err(Error::definition)?),
    };
    call.send()
        .await
        .map_err(Error::service(format!("update table {table}: {update}")))?;
    let deadline = Instant::now() + FILLING;
    while Instant::now() < deadline {
        let now = describe(client, table).await?;
        if is_settled(&now) && !findings(&now).updates.contains(update) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(Error::Service {
        doing: format!("update table {table}: {update}"),
        problem: format!(
            "was not done within {} min: see the table",
            FILLING.as_secs() / 60
        ),
        code: None,
    })
}

async fn describe(client: &Client, table: &str) -> Result<TableDescription, Error> {
    let doing = format!("describe table {table}");
    let answer = client.describe_table().table_name(table).send().await;
    let answer = answer.map_err(Error::service(doing.clone()))?;
    answer.table.ok_or_else(|| Error::Service {
        doing,
        problem: "the answer has no table".into(),
        code: None,
    })
}

/// Whether table and indexes are what they will be.
fn is_settled(table: &TableDescription) -> bool {
    use aws_sdk_dynamodb::types::TableStatus;
    let active = |status: Option<&IndexStatus>| status.is_none_or(|status| *status == IndexStatus::Active);
    table
        .table_status
        .as_ref()
        .is_none_or(|status| *status == TableStatus::Active)
        && table
            .global_secondary_indexes()
            .iter()
            .all(|index| active(index.index_status.as_ref()))
}

fn new_index(table: &TableDescription, name: &str, key: &str) -> Built<GlobalSecondaryIndexUpdate> {
    let on_demand = table
        .billing_mode_summary
        .as_ref()
        .is_some_and(|summary| summary.billing_mode == Some(BillingMode::PayPerRequest));
    // An index of a table with a fixed throughput has one of its own: the table's.
    let throughput = table
        .provisioned_throughput
        .as_ref()
        .filter(|_| !on_demand)
        .map(|throughput| {
            ProvisionedThroughput::builder()
                .read_capacity_units(throughput.read_capacity_units.unwrap_or(1))
                .write_capacity_units(throughput.write_capacity_units.unwrap_or(1))
                .build()
        })
        .transpose()?;
    let create = CreateGlobalSecondaryIndexAction::builder()
        .index_name(name)
        .key_schema(hash_key(key)?)
        .projection(projection(key))
        .set_provisioned_throughput(throughput)
        .build()?;
    Ok(GlobalSecondaryIndexUpdate::builder().create(create).build())
}

fn findings(table: &TableDescription) -> Findings {
    let mut found = Findings::default();
    if !is_key(table.key_schema(), attribute::ID) || !is_text(table, attribute::ID) {
        found
            .faults
            .push("its key is not `id`, a string, alone: it can be no table of rows".into());
    }
    let view = table
        .stream_specification
        .as_ref()
        .filter(|stream| stream.stream_enabled)
        .map(|stream| stream.stream_view_type.clone());
    match view {
        Some(Some(StreamViewType::NewAndOldImages)) => {}
        Some(_) => found.updates.extend([Update::EndStream, Update::BeginStream]),
        None => found.updates.push(Update::BeginStream),
    }
    for (name, key) in INDEXES {
        let index = table
            .global_secondary_indexes()
            .iter()
            .find(|index| index.index_name.as_deref() == Some(name));
        match index {
            None => found.updates.push(Update::AddIndex(name, key)),
            Some(index) if !is_key(index.key_schema(), key) => found.faults.push(format!(
                "its index {name} has another key than `{key}`: delete that index, or name another table"
            )),
            Some(index) if index.projection.as_ref() != Some(&projection(key)) => {
                found.remarks.push(format!(
                    "its index {name} holds more than keys and status: each report then costs a write of it"
                ))
            }
            Some(_) => {}
        }
    }
    found
}

/// Whether `schema` is `name` as the hash key, first. (A sort key besides does no harm to an index.)
fn is_key(schema: &[KeySchemaElement], name: &str) -> bool {
    schema
        .first()
        .is_some_and(|key| key.attribute_name == name && key.key_type == KeyType::Hash)
        && (name != attribute::ID || schema.len() == 1)
}

fn is_text(table: &TableDescription, name: &str) -> bool {
    table.attribute_definitions().iter().any(|attribute| {
        attribute.attribute_name == name && attribute.attribute_type == ScalarAttributeType::S
    })
}

impl fmt::Display for Update {
    /// As arguments of `aws dynamodb update-table`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndStream => f.write_str("--stream-specification StreamEnabled=false"),
            Self::BeginStream => {
                f.write_str("--stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES")
            }
            Self::AddIndex(name, key) => {
                let projection = match *key {
                    attribute::STATUS => r#"{"ProjectionType":"KEYS_ONLY"}"#.to_owned(),
                    _ => format!(
                        r#"{{"ProjectionType":"INCLUDE","NonKeyAttributes":["{}"]}}"#,
                        attribute::STATUS
                    ),
                };
                write!(
                    f,
                    "--attribute-definitions AttributeName=id,AttributeType=S AttributeName={key},AttributeType=S \
                     --global-secondary-index-updates '[{{\"Create\":{{\"IndexName\":\"{name}\",\"KeySchema\":\
                     [{{\"AttributeName\":\"{key}\",\"KeyType\":\"HASH\"}}],\"Projection\":{projection}}}}}]'"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Connection, Tables, schema};

    async fn client() -> Client {
        let database = dynoxide::Database::memory().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_with_shutdown(
            listener,
            database,
            std::future::pending(),
        ));
        let connection = Connection {
            endpoint: Some(endpoint),
            s3_endpoint: None,
            profile: None,
            region: "us-west-2".into(),
        };
        connection.dynamodb().await
    }

    #[tokio::test]
    async fn the_pipelines_own_table_lacks_nothing() {
        let (client, tables) = (client().await, Tables::default());
        schema::create(&client, &tables).await.unwrap();
        assert_eq!(check(&client, &tables.rows).await.unwrap(), Findings::default());
        assert!(check(&client, "other").await.is_err());
    }

    #[tokio::test]
    async fn a_table_of_the_web_application_gets_what_it_lacks() {
        let client = client().await;
        let mut table = client
            .create_table()
            .table_name("old")
            .billing_mode(BillingMode::PayPerRequest);
        table = table
            .attribute_definitions(text_attribute("id").unwrap())
            .key_schema(hash_key("id").unwrap());
        table.send().await.unwrap();
        let found = check(&client, "old").await.unwrap();
        assert_eq!(found.updates.len(), 4, "{found:?}");
        assert_eq!(found.updates[0], Update::BeginStream);
        for needed in &found.updates {
            update(&client, "old", needed).await.unwrap();
        }
        assert_eq!(check(&client, "old").await.unwrap(), Findings::default());
    }

    #[tokio::test]
    async fn what_no_call_mends_is_said() {
        let client = client().await;
        client
            .create_table()
            .table_name("other")
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(text_attribute("name").unwrap())
            .key_schema(hash_key("name").unwrap())
            .send()
            .await
            .unwrap();
        let found = check(&client, "other").await.unwrap();
        assert!(found.faults[0].contains("`id`"), "{found:?}");
    }
}
