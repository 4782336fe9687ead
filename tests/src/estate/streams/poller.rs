//! The poller of one mapping: reads its stream's shards, each in order.

use super::delivery::{Answer, Delivery, Step};
use super::destination;
use super::mapping::Mapping;
use crate::estate::account::{Account, CallError};
use crate::estate::lambda_service::{Invoker, Refusal};
use crate::estate::tasks::Faults;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime};

/// Between two reads of a shard that had nothing new. (Lambda's pollers wait a quarter of a second.)
const POLL: Duration = Duration::from_millis(100);
/// Before the first retry; doubled with each.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Serves `mapping` until it is aborted.
pub(super) async fn run(account: Account, invoker: Invoker, mapping: Mapping, faults: Faults) {
    let poller = Poller {
        account,
        invoker,
        mapping,
        faults,
    };
    let shards = poller.until_it_works(|| poller.shards()).await;
    join_all(
        shards
            .iter()
            .map(|(id, iterator)| poller.follow(id, iterator.clone())),
    )
    .await;
}

struct Poller {
    account: Account,
    invoker: Invoker,
    mapping: Mapping,
    faults: Faults,
}

impl Poller {
    /// The stream's shards, each with an iterator at the mapping's starting position.
    async fn shards(&self) -> Result<Vec<(String, String)>, CallError> {
        let stream = &self.mapping.stream_arn;
        let described = self
            .stream("DescribeStream", json!({"StreamArn": stream}))
            .await?;
        let mut shards = Vec::new();
        for shard in described["StreamDescription"]["Shards"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let id = shard["ShardId"].as_str().unwrap_or_default();
            let position = &self.mapping.starting_position;
            let body = json!({"StreamArn": stream, "ShardId": id, "ShardIteratorType": position});
            let iterator = self.stream("GetShardIterator", body).await?;
            let iterator = iterator["ShardIterator"].as_str().unwrap_or_default();
            shards.push((id.to_owned(), iterator.to_owned()));
        }
        Ok(shards)
    }

    /// Delivers a shard's records, batch after batch, until it is closed.
    async fn follow(&self, shard: &str, iterator: String) {
        let mut iterator = Some(iterator);
        while iterator.is_some() {
            let batch = self.batch(&mut iterator).await;
            if batch.is_empty() {
                tokio::time::sleep(POLL).await;
            } else {
                self.deliver(shard, batch).await;
            }
        }
    }

    /// The next records that pass the filters: as many as a batch holds, or as come within the window.
    async fn batch(&self, iterator: &mut Option<String>) -> Vec<Value> {
        let (begun, mut batch) = (Instant::now(), Vec::new());
        while let Some(at) = iterator {
            let room = self.mapping.batch_size - batch.len();
            let body = json!({"ShardIterator": at, "Limit": room});
            let mut answer = self
                .until_it_works(|| self.stream("GetRecords", body.clone()))
                .await;
            *iterator = answer["NextShardIterator"].as_str().map(str::to_owned);
            if let Value::Array(records) = answer["Records"].take() {
                batch.extend(
                    records
                        .into_iter()
                        .map(|record| self.event(record))
                        .filter(|record| self.passes(record)),
                );
            }
            if batch.is_empty()
                || batch.len() == self.mapping.batch_size
                || begun.elapsed() >= self.mapping.window
            {
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        batch
    }

    /// A stream's record as a function is given it.
    fn event(&self, mut record: Value) -> Value {
        record["eventSourceARN"] = json!(self.mapping.stream_arn);
        record["awsRegion"] = json!(self.account.region());
        record
    }

    fn passes(&self, record: &Value) -> bool {
        let filters = &self.mapping.filters;
        filters.is_empty() || filters.iter().any(|filter| filter.matches(record))
    }

    async fn deliver(&self, shard: &str, records: Vec<Value>) {
        let mut delivery = Delivery::new(&self.mapping.rules, records);
        loop {
            match delivery.next(SystemTime::now()) {
                Step::Invoke(part) => {
                    let answer = self.invoke(&part.records).await;
                    if let Some(retry) = delivery.answered(part, &answer) {
                        let wait = FIRST_WAIT.saturating_mul(1 << (retry - 1).min(10));
                        tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
                    }
                }
                Step::GiveUp(part, condition) => {
                    let told = destination::tell(&self.account, &self.mapping, shard, &part, condition).await;
                    if let Err(error) = told {
                        self.faults.add(format!("the destination on failure: {error}"));
                    }
                }
                Step::Done => return,
            }
        }
    }

    async fn invoke(&self, records: &[Value]) -> Answer {
        let event = json!({ "Records": records }).to_string().into();
        match self.invoker.invoke(&self.mapping.function_arn, event).await {
            Ok(invoked) if invoked.function_error.is_none() => match serde_json::from_slice(&invoked.payload)
            {
                Ok(response) => Answer::Response(response),
                Err(_) => Answer::Failed,
            },
            Ok(invoked) => {
                eprintln!(
                    "estate: {}: {}",
                    self.mapping.function_arn,
                    String::from_utf8_lossy(&invoked.payload)
                );
                Answer::Failed
            }
            // As any failure it is tried again.
            Err(Refusal::TooMany) => Answer::Failed,
            Err(refusal) => {
                self.faults
                    .add(format!("{}: {refusal}", self.mapping.function_arn));
                Answer::Failed
            }
        }
    }

    async fn stream(&self, operation: &str, body: Value) -> Result<Value, CallError> {
        self.account
            .json(
                "dynamodb",
                &format!("DynamoDBStreams_20120810.{operation}"),
                &body,
            )
            .await
    }

    /// Tries a read until it works: this task ends when the mapping does.
    async fn until_it_works<T, F>(&self, call: impl Fn() -> F) -> T
    where
        F: Future<Output = Result<T, CallError>>,
    {
        loop {
            match call().await {
                Ok(done) => return done,
                // Terraform removes a table and its mapping one after the other.
                Err(error) if error.is_not_found() => {}
                Err(error) => self.faults.add(format!("{}: {error}", self.mapping.stream_arn)),
            }
            tokio::time::sleep(LONGEST_WAIT / 5).await;
        }
    }
}
