//! The tables that a command works on: the local pipeline's, or those at an endpoint.

use super::{Error, Global};
use crate::local::state::StateDir;
use contract::RecordId;
use contract::item::Item;
use store::{Connection, Rows, Tables};

/// The rows, and the region that their pipeline serves.
pub(super) struct Session {
    pub(super) rows: Rows,
    pub(super) region: String,
}

impl Session {
    /// Connects to `--endpoint`, else to the local pipeline.
    pub(super) async fn open(global: &Global) -> Result<Self, Error> {
        let (endpoint, region, table) = match &global.endpoint {
            Some(endpoint) => (endpoint.clone(), global.region.clone(), Tables::default().rows),
            None => {
                let local = StateDir::choose(global.state_dir.clone())?.read_local()?;
                (local.endpoint, local.region, local.rows)
            }
        };
        let connection = Connection {
            endpoint: Some(endpoint),
            s3_endpoint: None,
            region: region.clone(),
        };
        let table = global.table.clone().unwrap_or(table);
        Ok(Self {
            rows: Rows::new(connection.dynamodb().await, table),
            region,
        })
    }

    /// The row, which must be there.
    pub(super) async fn row(&self, id: &RecordId) -> Result<Item, Error> {
        let missing = || Error::CouldNot(format!("there is no row {id}: `treza status` lists them"));
        self.rows.get(id).await?.ok_or_else(missing)
    }
}

/// An id on the command line.
pub(super) fn id(text: &str) -> Result<RecordId, String> {
    RecordId::parse(text).map_err(|error| {
        format!("{error}; a row that has such an id is removed with DynamoDB's own delete-item")
    })
}
