//! The table of turns: what the pipeline's own programs, which run one after the other and nowhere together, leave for
//! one another about a row's present turn. Hosts and clients have no part in it.

use crate::connection::Tables;
use crate::error::Error;
use crate::item::get;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::AttributeValue as SdkValue;
use contract::RecordId;
use contract::item::{AttributeValue, Item};
use contract::row::Host;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const ID: &str = "id";
const GENERATION: &str = "generation";
const MEASURED: &str = "measured";
const PROVISIONED: &str = "provisioned";
const HOST: &str = "host";
const FAILURE: &str = "failure";
const ATTRIBUTES: [&str; 7] = [
    GENERATION,
    MEASURED,
    PROVISIONED,
    HOST,
    FAILURE,
    "lease",
    "leaseUntil",
];

/// What the image of a turn measures to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeasuredImage {
    /// The image's digest, `sha256:…`.
    pub image_digest: String,
    /// The bundle's digest, `sha256:…`.
    pub bundle: String,
    /// PCR index (decimal) → value (hex).
    pub pcrs: BTreeMap<String, String>,
    /// The EIF's size in bytes.
    pub eif_bytes: u64,
}

/// What is known of a row's turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turn {
    /// The generation that this is about; 0: nothing was noted yet.
    pub generation: u64,
    /// What its image measures to.
    pub measured: Option<MeasuredImage>,
    /// Whether a host was begun to be made, in this turn or an earlier one, and not given back: something of it may be
    /// there.
    pub provisioned: bool,
    /// The host that was made for the row.
    pub host: Option<Host>,
    /// Why no host could be made, for the row's reason.
    pub failure: Option<String>,
}

/// What a [note](Turns::note) came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Noted {
    /// It stands.
    Yes,
    /// A later turn has begun: nothing was written.
    Superseded,
}

/// What a try at a [lease](Turns::lease) came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Leased {
    /// It is the caller's.
    Yes,
    /// Another has it.
    Busy,
    /// A later turn has begun.
    Superseded,
}

/// The turns, one item a row.
#[derive(Debug, Clone)]
pub struct Turns {
    client: Client,
    table: String,
}

impl Turns {
    /// The turns of `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
        }
    }

    /// The turns of `tables`.
    pub fn of(client: Client, tables: &Tables) -> Self {
        Self::new(client, &tables.turns)
    }

    /// What is noted of the row `id`.
    pub async fn get(&self, id: &RecordId) -> Result<Turn, Error> {
        let Some(item) = get(&self.client, &self.table, id.as_str()).await? else {
            return Ok(Turn::default());
        };
        Ok(Turn {
            generation: generation_of(&item),
            measured: part(&item, MEASURED)?,
            provisioned: part(&item, PROVISIONED)?.unwrap_or(false),
            host: part(&item, HOST)?,
            failure: part(&item, FAILURE)?,
        })
    }

    /// Begins `generation`: what was noted of an earlier one, but for its host, is gone. Begun again it changes
    /// nothing.
    pub async fn begin(&self, id: &RecordId, generation: u64) -> Result<Noted, Error> {
        let clear = "SET #generation = :generation REMOVE #measured, #failure";
        match self.update(id, generation, clear, "<", []).await? {
            Noted::Superseded if self.get(id).await?.generation == generation => Ok(Noted::Yes),
            noted => Ok(noted),
        }
    }

    /// Notes what the turn's image measures to.
    pub async fn measured(
        &self,
        id: &RecordId,
        generation: u64,
        measured: &MeasuredImage,
    ) -> Result<Noted, Error> {
        let set = "SET #generation = :generation, #measured = :value";
        self.update(id, generation, set, "<=", [value_of(measured)?])
            .await
    }

    /// Notes that a host is about to be made.
    pub async fn provisioning(&self, id: &RecordId, generation: u64) -> Result<Noted, Error> {
        let set = "SET #generation = :generation, #provisioned = :value REMOVE #failure";
        let yes = AttributeValue::Bool(true);
        self.update(id, generation, set, "<=", [yes]).await
    }

    /// Notes the host that was made.
    pub async fn host(&self, id: &RecordId, generation: u64, host: &Host) -> Result<Noted, Error> {
        let set = "SET #generation = :generation, #host = :value REMOVE #failure";
        self.update(id, generation, set, "<=", [value_of(host)?]).await
    }

    /// Notes that nothing of a host is left.
    pub async fn given_back(&self, id: &RecordId, generation: u64) -> Result<Noted, Error> {
        let remove = "SET #generation = :generation REMOVE #provisioned, #host";
        self.update(id, generation, remove, "<=", []).await
    }

    /// Notes why the turn has no host.
    pub async fn failed(&self, id: &RecordId, generation: u64, why: &str) -> Result<Noted, Error> {
        let set = "SET #generation = :generation, #failure = :value";
        let why = AttributeValue::S(why.to_owned());
        self.update(id, generation, set, "<=", [why]).await
    }

    /// Takes the row's lease for `owner`, for `time`: who has it may work on the row's host, alone. It is
    /// free where nobody has it, or has not renewed it in time.
    pub async fn lease(
        &self,
        id: &RecordId,
        generation: u64,
        owner: &str,
        time: Duration,
    ) -> Result<Leased, Error> {
        let now = now_ms();
        let set = "SET #generation = :generation, #lease = :owner, #leaseUntil = :until";
        let free = "(attribute_not_exists(#generation) OR #generation <= :generation) AND \
                    (attribute_not_exists(#lease) OR #lease = :owner OR #leaseUntil < :now)";
        let values = [
            (":generation", number(generation)),
            (":owner", AttributeValue::S(owner.to_owned())),
            (":until", number(later(now, time))),
            (":now", number(now)),
        ];
        if self.conditional(id, set, free, values).await? {
            return Ok(Leased::Yes);
        }
        let later = self.get(id).await?.generation > generation;
        Ok(if later { Leased::Superseded } else { Leased::Busy })
    }

    /// Renews the lease, if it is still `owner`'s; whether it is. It stays so while a later turn waits for it.
    pub async fn renew(&self, id: &RecordId, owner: &str, time: Duration) -> Result<bool, Error> {
        let values = [
            (":owner", AttributeValue::S(owner.to_owned())),
            (":until", number(later(now_ms(), time))),
        ];
        self.conditional(id, "SET #leaseUntil = :until", "#lease = :owner", values)
            .await
    }

    /// Gives the lease back, if it is still `owner`'s.
    pub async fn release(&self, id: &RecordId, owner: &str) -> Result<(), Error> {
        let owner = [(":owner", AttributeValue::S(owner.to_owned()))];
        let remove = "REMOVE #lease, #leaseUntil";
        // Not its own any more: then there is nothing to give back.
        self.conditional(id, remove, "#lease = :owner", owner).await?;
        Ok(())
    }

    /// Makes `update`, which may speak of one `:value`, unless a later generation stands there; with `than` `<` the
    /// same one must not either.
    async fn update<const N: usize>(
        &self,
        id: &RecordId,
        generation: u64,
        update: &str,
        than: &str,
        value: [AttributeValue; N],
    ) -> Result<Noted, Error> {
        let condition = format!("attribute_not_exists(#generation) OR #generation {than} :generation");
        let values = value.into_iter().map(|value| (":value", value));
        let values = values.chain([(":generation", number(generation))]);
        Ok(match self.conditional(id, update, &condition, values).await? {
            true => Noted::Yes,
            false => Noted::Superseded,
        })
    }

    /// Makes `update` of the item `id` if `condition` holds; whether it did. A `#name` in either is the attribute of
    /// that name, since DynamoDB reserves many words.
    async fn conditional(
        &self,
        id: &RecordId,
        update: &str,
        condition: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<bool, Error> {
        let mut call = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(ID, SdkValue::S(id.to_string()))
            .update_expression(update)
            .condition_expression(condition);
        for name in ATTRIBUTES {
            let place = format!("#{name}");
            if spells(update, &place) || spells(condition, &place) {
                call = call.expression_attribute_names(place, name);
            }
        }
        for (place, value) in values {
            call = call.expression_attribute_values(place, SdkValue::from(value));
        }
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(Error::service(format!(
                "note the turn of row {id} in table {}",
                self.table
            ))(error)),
        }
    }
}

/// Whether `place` stands in `expression`, and not only as the beginning of a longer name.
fn spells(expression: &str, place: &str) -> bool {
    expression
        .match_indices(place)
        .any(|(at, _)| !expression[at + place.len()..].starts_with(|next: char| next.is_ascii_alphanumeric()))
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn generation_of(item: &Item) -> u64 {
    match item.get(GENERATION) {
        Some(AttributeValue::N(digits)) => digits.parse().unwrap_or(0),
        _ => 0,
    }
}

fn part<T: DeserializeOwned>(item: &Item, name: &str) -> Result<Option<T>, Error> {
    let Some(value) = item.get(name) else {
        return Ok(None);
    };
    serde_dynamo::from_attribute_value(value.clone())
        .map(Some)
        .map_err(|error| contract::Fault::new(name, format!("does not read: {error}")).into())
}

fn value_of(value: &impl Serialize) -> Result<AttributeValue, Error> {
    Ok(contract::row::value_of(value)?)
}

fn later(now: u64, time: Duration) -> u64 {
    now.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
