//! A batch of a DynamoDB stream, record by record, so that one which does not read keeps no other from being taken. What
//! could not be taken is answered by its sequence number; Lambda delivers again from the first of them, splits the batch,
//! and in the end puts a record that nobody can take into the queue of dead letters.
//!
//! The answer: <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>.

use super::Error;
use contract::stream::{Batch, Record};
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::{Value, json};

/// Rows that are worked on at once. More of them would only wait for one another in DynamoDB's client.
const AT_ONCE: usize = 32;

/// Hands the records of `event` to `take`: those of one row in their order and none after one that failed, those of
/// several rows at once. Answers Lambda's `batchItemFailures`.
pub(super) async fn each<F>(event: &Value, take: impl Fn(Record) -> F) -> Result<Value, Error>
where
    F: Future<Output = Result<(), crate::pipeline::Error>>,
{
    let batch = Batch::read(event)
        .map_err(|fault| Error::Event(format!("the event is no batch of a stream: {fault}")))?;
    let mut failed = Vec::new();
    for poison in batch.poison {
        tracing::error!(
            sequence = poison.sequence,
            problem = poison.problem,
            "a record does not read"
        );
        failed.push(poison.sequence);
    }
    let take = &take;
    let row = |records: Vec<Record>| async move {
        for record in records {
            let sequence = record.sequence.clone();
            if let Err(error) = take(record).await {
                tracing::error!(sequence, %error, "a record could not be taken");
                return Some(sequence);
            }
        }
        None
    };
    let mut running = stream::iter(batch.items).map(row).buffer_unordered(AT_ONCE);
    while let Some(done) = running.next().await {
        failed.extend(done);
    }
    let failures: Vec<_> = failed
        .into_iter()
        .map(|sequence| json!({"itemIdentifier": sequence}))
        .collect();
    Ok(json!({"batchItemFailures": failures}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline;
    use proptest::prelude::*;
    use std::sync::Mutex;

    fn record(sequence: &str, id: &str) -> Value {
        json!({"eventName": "MODIFY", "dynamodb": {"SequenceNumber": sequence, "Keys": {"id": {"S": id}},
            "NewImage": {"id": {"S": id}, "status": {"S": "PENDING_DEPLOY"}, "evidence": {"B": "AAE="}}}})
    }

    /// Takes `records`; those whose sequence number is in `failing` fail. What was taken, and the failures.
    async fn taken(records: Vec<Value>, failing: &[&str]) -> (Vec<String>, Vec<String>) {
        let all = Mutex::new(Vec::new());
        let answer = each(&json!({"Records": records}), |record| {
            let fails = failing.contains(&record.sequence.as_str());
            all.lock().unwrap().push(record.sequence);
            async move {
                if fails {
                    return Err(pipeline::Error::Passing("no".into()));
                }
                Ok(())
            }
        })
        .await
        .unwrap();
        let failures = answer["batchItemFailures"].as_array().unwrap().iter();
        let failures = failures.map(|item| item["itemIdentifier"].as_str().unwrap().to_owned());
        (all.into_inner().unwrap(), failures.collect())
    }

    #[tokio::test]
    async fn a_rows_records_wait_for_the_one_that_failed_and_other_rows_do_not() {
        let records = vec![
            record("1", "a"),
            record("2", "b"),
            record("3", "a"),
            record("4", "b"),
        ];
        let (mut all, failed) = taken(records, &["1"]).await;
        all.sort();
        assert_eq!(all, ["1", "2", "4"]);
        assert_eq!(failed, ["1"]);
    }

    #[tokio::test]
    async fn a_record_that_does_not_read_is_a_failure_of_its_own() {
        let mut poison = record("2", "b");
        poison["dynamodb"]["NewImage"]["status"] = json!({"S": 3});
        let (all, failed) = taken(vec![record("1", "a"), poison, record("3", "c")], &[]).await;
        assert_eq!((all.len(), failed), (2, vec!["2".to_owned()]));
        for event in [json!(3), json!({}), json!({"Records": [{}]})] {
            assert!(each(&event, |_| async { Ok(()) }).await.is_err());
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~]{0,8}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(
                    prop_oneof![
                        Just("dynamodb".to_owned()),
                        Just("SequenceNumber".to_owned()),
                        Just("Keys".to_owned()),
                        Just("NewImage".to_owned()),
                        Just("id".to_owned()),
                        Just("S".to_owned()),
                        "[a-zA-Z]{0,6}".prop_map(String::from)
                    ],
                    inner,
                    0..4
                )
                .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Whatever a batch holds, it is answered: each record is taken, or is a failure by its number, or the whole
        /// batch is refused.
        #[test]
        fn no_batch_panics(records in prop::collection::vec(any_json(), 0..4)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let all = records.len();
            let taken = Mutex::new(0);
            let answer = runtime.block_on(each(&json!({"Records": records}), |_| {
                *taken.lock().unwrap() += 1;
                async { Ok(()) }
            }));
            if let Ok(answer) = answer {
                let failed = answer["batchItemFailures"].as_array().unwrap().len();
                prop_assert_eq!(failed + *taken.lock().unwrap(), all);
            }
        }
    }
}
