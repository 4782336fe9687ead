//! What a queue is told of records that could not be delivered: which they are, and not what is in them.

use super::delivery::{Condition, Part, created, sequence};
use super::mapping::Mapping;
use crate::estate::account::{Account, CallError};
use crate::estate::lambda_service::uuid;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Sends the message of a part that was given up.
pub(super) async fn tell(
    account: &Account,
    mapping: &Mapping,
    shard: &str,
    part: &Part,
    condition: Condition,
) -> Result<(), CallError> {
    let Some(queue) = &mapping.on_failure else {
        return Ok(());
    };
    let mut words = queue.split(':').skip(4);
    let (owner, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let body = json!({"QueueName": name, "QueueOwnerAWSAccountId": owner});
    let url = account.json("sqs", "AmazonSQS.GetQueueUrl", &body).await?;
    let message = message(mapping, shard, part, condition).to_string();
    let body = json!({"QueueUrl": url["QueueUrl"], "MessageBody": message});
    account
        .json("sqs", "AmazonSQS.SendMessage", &body)
        .await
        .map(drop)
}

fn message(mapping: &Mapping, shard: &str, part: &Part, condition: Condition) -> Value {
    let (first, last) = (&part.records[0], &part.records[part.records.len() - 1]);
    let condition = match condition {
        Condition::RetryAttemptsExhausted => "RetryAttemptsExhausted",
        Condition::RecordAgeExceeded => "RecordAgeExceeded",
    };
    json!({
        "requestContext": {
            "requestId": uuid(),
            "functionArn": mapping.function_arn,
            "condition": condition,
            "approximateInvokeCount": part.invocations,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": rfc3339(OffsetDateTime::now_utc()),
        "DDBStreamBatchInfo": {
            "shardId": shard,
            "startSequenceNumber": sequence(first),
            "endSequenceNumber": sequence(last),
            "approximateArrivalOfFirstRecord": arrival(first),
            "approximateArrivalOfLastRecord": arrival(last),
            "batchSize": part.records.len(),
            "streamArn": mapping.stream_arn,
        },
    })
}

fn arrival(record: &Value) -> String {
    rfc3339(OffsetDateTime::from_unix_timestamp(created(record) as i64).unwrap_or(OffsetDateTime::UNIX_EPOCH))
}

fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}
