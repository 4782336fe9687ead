//! One item of either table.

use crate::error::Error;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use contract::item::Item;
use contract::row::attribute;

/// The item with this `id` in `table`, as of now (a consistent read).
pub(crate) async fn get(client: &Client, table: &str, id: &str) -> Result<Option<Item>, Error> {
    let answer = client
        .get_item()
        .table_name(table)
        .key(attribute::ID, AttributeValue::S(id.to_owned()))
        .consistent_read(true)
        .send()
        .await
        .map_err(Error::service(format!("get item {id:?} of table {table}")))?;
    Ok(answer.item.map(Item::from))
}
