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
    /// What a command that the user is told of has to say to reach the same pipeline, after a blank; nothing of the local one.
    pub(super) options: String,
}

impl Session {
    /// Connects to the pipeline of `--environment` in AWS or to `--endpoint`, else to the local pipeline.
    pub(super) async fn open(global: &Global) -> Result<Self, Error> {
        let (endpoint, region, table) = match (&global.environment, &global.endpoint) {
            (Some(environment), _) => (None, global.region.clone(), rows_table(environment)),
            (None, Some(endpoint)) => {
                let table = Tables::default().rows;
                (Some(endpoint.clone()), global.region.clone(), table)
            }
            (None, None) => {
                let local = StateDir::choose(global.state_dir.clone())?.read_local()?;
                (Some(local.endpoint), local.region, local.rows)
            }
        };
        let connection = Connection {
            endpoint,
            s3_endpoint: None,
            profile: global.profile.clone(),
            region: region.clone(),
        };
        let options = global.environment.as_ref();
        let options = options.map(|name| format!(" --environment {name} --region {region}"));
        let table = global.table.clone().unwrap_or(table);
        Ok(Self {
            options: options.unwrap_or_default(),
            rows: Rows::new(connection.dynamodb().await, table),
            region,
        })
    }

    /// The row, which must be there.
    pub(super) async fn row(&self, id: &RecordId) -> Result<Item, Error> {
        let options = &self.options;
        let missing = || {
            Error::CouldNot(format!(
                "there is no row {id}: `treza status{options}` lists them"
            ))
        };
        self.rows.get(id).await?.ok_or_else(missing)
    }
}

/// The table of rows that Terraform makes for an environment. (`--table` names another.)
fn rows_table(environment: &str) -> String {
    format!("treza-{environment}-enclaves")
}

/// The name of an environment on the command line: it stands in the names of all that Terraform makes.
pub(super) fn environment(text: &str) -> Result<String, String> {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let sound = (2..=12).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(letters);
    if sound {
        return Ok(text.to_owned());
    }
    Err("write 2 to 12 of a-z, 0-9 and '-', a letter first: dev, staging, prod".into())
}

/// An id on the command line.
pub(super) fn id(text: &str) -> Result<RecordId, String> {
    RecordId::parse(text).map_err(|error| {
        format!("{error}; a row that has such an id is removed with DynamoDB's own delete-item")
    })
}
