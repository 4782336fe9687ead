//! The tables as they must be: made where they are missing. (In AWS Terraform makes them.)

use crate::connection::Tables;
use crate::error::Error;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType,
};
use contract::row::attribute;

/// Rows by status, for the monitor.
pub const STATUS_INDEX: &str = "StatusIndex";
/// Rows by the instance that they are assigned to, for the host daemon.
pub const HOST_INDEX: &str = "HostIndex";
/// Rows by their owner, for the web application.
pub const WALLET_INDEX: &str = "WalletIndex";

/// The indexes of the table of rows: name and key.
pub const INDEXES: [(&str, &str); 3] = [
    (STATUS_INDEX, attribute::STATUS),
    (HOST_INDEX, attribute::HOST_ID),
    (WALLET_INDEX, "walletAddress"),
];

/// Makes the tables of rows and of reports, each with its stream of old and new images, unless they are there.
pub async fn create(client: &Client, tables: &Tables) -> Result<(), Error> {
    create_one(client, &tables.rows, &INDEXES).await?;
    create_one(client, &tables.reports, &[]).await
}

/// Makes the table of turns, unless it is there.
pub async fn create_turns(client: &Client, tables: &Tables) -> Result<(), Error> {
    create_one(client, &tables.turns, &[]).await
}

async fn create_one(client: &Client, table: &str, indexes: &[(&str, &str)]) -> Result<(), Error> {
    let doing = || format!("create table {table}");
    let mut call = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(text_attribute(attribute::ID).map_err(Error::definition)?)
        .key_schema(hash_key(attribute::ID).map_err(Error::definition)?)
        .stream_specification(
            StreamSpecification::builder()
                .stream_enabled(true)
                .stream_view_type(StreamViewType::NewAndOldImages)
                .build()
                .map_err(Error::definition)?,
        );
    for (name, key) in indexes {
        let index = index(name, key).map_err(Error::definition)?;
        call = call
            .attribute_definitions(text_attribute(key).map_err(Error::definition)?)
            .global_secondary_indexes(index);
    }
    match call.send().await {
        Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
        other => other.map(drop).map_err(Error::service(doing())),
    }
}

pub(crate) type Built<T> = Result<T, aws_sdk_dynamodb::error::BuildError>;

pub(crate) fn text_attribute(name: &str) -> Built<AttributeDefinition> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
}

pub(crate) fn hash_key(name: &str) -> Built<KeySchemaElement> {
    KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(KeyType::Hash)
        .build()
}

fn index(name: &str, key: &str) -> Built<GlobalSecondaryIndex> {
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .key_schema(hash_key(key)?)
        .projection(projection(key))
        .build()
}

/// Keys and status only, so that a report costs no index write.
pub(crate) fn projection(key: &str) -> Projection {
    if key == attribute::STATUS {
        return Projection::builder()
            .projection_type(ProjectionType::KeysOnly)
            .build();
    }
    Projection::builder()
        .projection_type(ProjectionType::Include)
        .non_key_attributes(attribute::STATUS)
        .build()
}
