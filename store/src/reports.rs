//! The table that hosts write: their word on each row that is assigned to them.

use crate::error::Error;
use crate::item::get;
use aws_sdk_dynamodb::Client;
use contract::RecordId;
use contract::item::Item;
use contract::report::Report;

/// The reports, the last one for each row.
#[derive(Debug, Clone)]
pub struct Reports {
    client: Client,
    table: String,
}

impl Reports {
    /// The reports of `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
        }
    }

    /// Puts `report` in the place of the row's last one.
    pub async fn put(&self, report: &Report) -> Result<(), Error> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(report.to_item()?.into()))
            .send()
            .await
            .map_err(Error::service(format!(
                "put report {} into table {}",
                report.id, self.table
            )))?;
        Ok(())
    }

    /// The last report on a row, as it stands: nobody has read it yet ([`Report::read`] does, strictly).
    pub async fn get(&self, id: &RecordId) -> Result<Option<Item>, Error> {
        get(&self.client, &self.table, id.as_str()).await
    }
}
