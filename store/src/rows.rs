//! The table that clients write: one row, one enclave.

use crate::change::{Change, Guard, Outcome};
use crate::error::Error;
use crate::item::get;
use crate::schema::{HOST_INDEX, STATUS_INDEX};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::AttributeValue as SdkValue;
use contract::item::{AttributeValue, Item};
use contract::row::attribute;
use contract::{RecordId, Status};
use std::collections::HashMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The most rows that [`Rows::all`] answers.
const MOST_LISTED: usize = 10_000;

/// The statuses from which something may be asked for.
#[derive(Debug, Clone, Copy)]
pub enum Statuses {
    /// These.
    Only(&'static [Status]),
    /// All but these: unknown ones too, and none at all.
    AllBut(&'static [Status]),
}

/// The rows.
#[derive(Debug, Clone)]
pub struct Rows {
    client: Client,
    table: String,
}

impl Rows {
    /// The rows of `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
        }
    }

    /// One row, as of now. `id` is the key as it stands in the table, which may be no [`RecordId`].
    pub async fn get(&self, id: impl AsRef<str>) -> Result<Option<Item>, Error> {
        get(&self.client, &self.table, id.as_ref()).await
    }

    /// Writes a client's new row. It may take the place of a row that has ended (DESTROYED or FAILED), whose
    /// `generation` and `revision` then stay, so that nothing of the earlier turn is taken for this one's.
    pub async fn create(&self, item: &Item) -> Result<Outcome, Error> {
        let Some(AttributeValue::S(id)) = item.get(attribute::ID) else {
            return Err(contract::Fault::new(attribute::ID, "is missing, or not a string").into());
        };
        let doing = || format!("write row {id} of table {}", self.table);
        let kept = [
            attribute::ID,
            attribute::GENERATION,
            attribute::REVISION,
            attribute::TRIGGER,
        ];
        let mut set: Vec<_> = item
            .inner()
            .iter()
            .filter(|(name, _)| !kept.contains(&name.as_str()))
            .collect();
        set.sort_by(|a, b| a.0.cmp(b.0));
        let mut call = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(attribute::ID, SdkValue::S(id.clone()))
            .condition_expression("attribute_not_exists(#id) OR #status IN (:destroyed, :failed)")
            .expression_attribute_names("#id", attribute::ID)
            .expression_attribute_names("#status", attribute::STATUS)
            .expression_attribute_values(":destroyed", SdkValue::S(Status::Destroyed.to_string()))
            .expression_attribute_values(":failed", SdkValue::S(Status::Failed.to_string()));
        let mut sets = Vec::new();
        for (at, (name, value)) in set.into_iter().enumerate() {
            sets.push(format!("#s{at} = :s{at}"));
            call = call
                .expression_attribute_names(format!("#s{at}"), name)
                .expression_attribute_values(format!(":s{at}"), SdkValue::from(value.clone()));
        }
        let answer = call
            .update_expression(format!("SET {}", sets.join(", ")))
            .send()
            .await;
        outcome(answer.map(|_| Outcome::Applied { revision: 0 }), doing)
    }

    /// A client's request: from one of `from` to the request status `to`.
    pub async fn request(&self, id: &RecordId, from: Statuses, to: Status) -> Result<Outcome, Error> {
        let doing = || format!("ask for {to} in row {id} of table {}", self.table);
        let mut call = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(attribute::ID, SdkValue::S(id.to_string()))
            .update_expression("SET #status = :to, #updated = :now")
            .expression_attribute_names("#status", attribute::STATUS)
            .expression_attribute_names("#updated", attribute::UPDATED_AT)
            .expression_attribute_values(":to", SdkValue::S(to.to_string()))
            .expression_attribute_values(":now", SdkValue::S(now()));
        let (Statuses::Only(named) | Statuses::AllBut(named)) = from;
        let names: Vec<_> = (0..named.len()).map(|at| format!(":from{at}")).collect();
        for (name, status) in names.iter().zip(named) {
            call = call.expression_attribute_values(name, SdkValue::S(status.to_string()));
        }
        let is_named = format!("#status IN ({})", names.join(", "));
        let condition = match from {
            Statuses::Only(_) => is_named,
            Statuses::AllBut(_) => {
                call = call.expression_attribute_names("#id", attribute::ID);
                format!("attribute_exists(#id) AND (attribute_not_exists(#status) OR NOT {is_named})")
            }
        };
        let answer = call.condition_expression(condition).send().await;
        outcome(answer.map(|_| Outcome::Applied { revision: 0 }), doing)
    }

    /// The pipeline's write: makes `change` if the row still is what `guard` says, and raises the revision.
    /// `id` is the key as it stands in the table, which may be no [`RecordId`].
    pub async fn update(&self, id: &str, guard: &Guard, change: &Change) -> Result<Outcome, Error> {
        let revision = guard.next_revision();
        let expression = change.expression(revision, now());
        let mut call = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(attribute::ID, SdkValue::S(id.to_owned()))
            .update_expression(expression.text)
            .expression_attribute_names("#id", attribute::ID)
            .expression_attribute_names("#status", attribute::STATUS)
            .expression_attribute_names("#revision", attribute::REVISION);
        for (name, attribute) in expression.names {
            call = call.expression_attribute_names(name, attribute);
        }
        for (name, value) in expression.values {
            call = call.expression_attribute_values(name, SdkValue::from(value));
        }
        // Without the first a row that is gone would be made anew.
        let mut condition = "attribute_exists(#id)".to_owned();
        for (name, place, was) in [
            ("#status", ":status", &guard.status),
            ("#revision", ":revision", &guard.revision),
        ] {
            match was {
                Some(was) => {
                    condition += &format!(" AND {name} = {place}");
                    call = call.expression_attribute_values(place, SdkValue::from(was.clone()));
                }
                None => condition += &format!(" AND attribute_not_exists({name})"),
            }
        }
        let answer = call.condition_expression(condition).send().await;
        outcome(answer.map(|_| Outcome::Applied { revision }), || {
            format!("update row {id:?} of table {}", self.table)
        })
    }

    /// The ids of the rows in `status`. (An index: it may lag behind the rows for a moment.)
    pub async fn ids_by_status(&self, status: Status) -> Result<Vec<String>, Error> {
        self.ids_by(STATUS_INDEX, attribute::STATUS, status.as_str())
            .await
    }

    /// The ids of the rows that are assigned to the instance `host`. (An index: it may lag for a moment.)
    pub async fn ids_by_host(&self, host: &str) -> Result<Vec<String>, Error> {
        self.ids_by(HOST_INDEX, attribute::HOST_ID, host).await
    }

    /// Every row, for a person's listing: a scan, which nothing else here does.
    pub async fn all(&self) -> Result<Vec<Item>, Error> {
        let (mut rows, mut start) = (Vec::new(), None);
        loop {
            let page = self
                .client
                .scan()
                .table_name(&self.table)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(Error::service(format!("list table {}", self.table)))?;
            rows.extend(page.items.unwrap_or_default().into_iter().map(Item::from));
            start = page.last_evaluated_key;
            if start.is_none() || rows.len() >= MOST_LISTED {
                return Ok(rows);
            }
        }
    }

    async fn ids_by(&self, index: &str, key: &str, value: &str) -> Result<Vec<String>, Error> {
        let (mut ids, mut start) = (Vec::new(), None::<HashMap<String, SdkValue>>);
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(index)
                .key_condition_expression("#key = :value")
                .expression_attribute_names("#key", key)
                .expression_attribute_values(":value", SdkValue::S(value.to_owned()))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(Error::service(format!(
                    "query index {index} of table {}",
                    self.table
                )))?;
            for mut item in page.items.unwrap_or_default() {
                if let Some(SdkValue::S(id)) = item.remove(attribute::ID) {
                    ids.push(id);
                }
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(ids);
            }
        }
    }
}

/// Now, as rows have it: RFC 3339, UTC, in seconds.
fn now() -> String {
    let now = OffsetDateTime::now_utc()
        .replace_nanosecond(0)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    now.format(&Rfc3339).unwrap_or_default()
}

fn outcome<E>(answer: Result<Outcome, E>, doing: impl FnOnce() -> String) -> Result<Outcome, Error>
where
    E: std::error::Error + ProvideErrorMetadata,
{
    match answer {
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(Outcome::Lost),
        other => other.map_err(Error::service(doing())),
    }
}
