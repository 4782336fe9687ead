//! The harness against a real emulated account, without Terraform: what the scenarios rely on.

use end_to_end::estate::{Account, Emulated, Functions, Inventory, LambdaService, ServiceOptions, Streams};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

type Check = fn() -> LocalBoxFuture<'static, ()>;

/// All of it.
pub(crate) const CHECKS: [(&str, Check); 2] = [
    (
        "a_stream_reaches_its_function_and_a_poison_record_its_queue",
        || a_stream_reaches_its_function_and_a_poison_record_its_queue().boxed_local(),
    ),
    ("what_is_made_is_listed_and_what_is_removed_is_not", || {
        what_is_made_is_listed_and_what_is_removed_is_not().boxed_local()
    }),
];

/// A function that keeps what it is given in a file, and fails where a batch has `poison`.
const BOOTSTRAP: &str = r#"#!/bin/bash
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
while :; do
    event=$(curl -s -D "$SEEN.headers" "$api/invocation/next") || exit 0
    id=$(sed -n 's/\r//; s/^lambda-runtime-aws-request-id: //p' "$SEEN.headers")
    if [[ $event == *poison* ]]; then
        curl -s -o /dev/null -d '{"errorType":"Poison","errorMessage":"poison"}' "$api/invocation/$id/error"
    else
        printf '%s\n' "$event" >>"$SEEN"
        curl -s -o /dev/null -d '{"batchItemFailures":[]}' "$api/invocation/$id/response"
    fi
done
"#;

struct Bench {
    _streams: Streams,
    _lambda: LambdaService,
    emulated: Emulated,
    folder: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("bootstrap");
        fs::write(&program, BOOTSTRAP).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let port = Emulated::free_port();
        let account = Emulated::account_at(port);
        let options = ServiceOptions {
            bootstrap: vec![program],
            logs: folder.path().join("logs"),
            aws_endpoint: Some(account.endpoint().to_owned()),
            concurrency: 1,
        };
        let lambda = LambdaService::start(Functions::Applied(account.clone()), options).await;
        let emulated = Emulated::start(
            &folder.path().join("account"),
            port,
            Some(&lambda.endpoint()),
            None,
        );
        Self {
            _streams: Streams::start(account, lambda.invoker()),
            _lambda: lambda,
            emulated,
            folder,
        }
    }

    fn account(&self) -> &Account {
        self.emulated.account()
    }

    async fn dynamodb(&self, operation: &str, body: Value) -> Value {
        let target = format!("DynamoDB_20120810.{operation}");
        self.account().json("dynamodb", &target, &body).await.unwrap()
    }

    async fn sqs(&self, operation: &str, body: Value) -> Value {
        self.account()
            .json("sqs", &format!("AmazonSQS.{operation}"), &body)
            .await
            .unwrap()
    }

    /// A table with a stream, a function, a queue, and a mapping between them that filters by status.
    async fn map(&self) {
        let table = self
            .dynamodb(
                "CreateTable",
                json!({
                    "TableName": "rows", "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                    "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
                }),
            )
            .await;
        self.sqs("CreateQueue", json!({"QueueName": "failed"})).await;
        let trust = json!({"Version": "2012-10-17", "Statement": []}).to_string();
        let role = [("RoleName", "function"), ("AssumeRolePolicyDocument", &trust)];
        let role = self
            .account()
            .query("iam", "2010-05-08", "CreateRole", &role)
            .await
            .unwrap();
        let function = json!({
            "FunctionName": "seeing", "Role": role.texts("Arn")[0], "Runtime": "provided.al2023", "Handler": "any",
            "Timeout": 20, "Code": {"ZipFile": "bm8="},
            "Environment": {"Variables": {"SEEN": self.seen_file()}},
        });
        self.account()
            .post_json("lambda", "/2015-03-31/functions", &function)
            .await
            .unwrap();
        let mapping = json!({
            "FunctionName": "seeing", "EventSourceArn": table["TableDescription"]["LatestStreamArn"],
            "StartingPosition": "TRIM_HORIZON", "BatchSize": 10, "MaximumRetryAttempts": 2,
            "BisectBatchOnFunctionError": true, "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "FilterCriteria": {"Filters": [{"Pattern":
                json!({"dynamodb": {"NewImage": {"status": {"S": [{"anything-but": ["DEPLOYED"]}]}}}}).to_string()}]},
            "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-west-2:123456789012:failed"}},
        });
        let path = "/2015-03-31/event-source-mappings/";
        self.account().post_json("lambda", path, &mapping).await.unwrap();
    }

    fn seen_file(&self) -> String {
        self.folder.path().join("seen").to_str().unwrap().to_owned()
    }

    /// The ids of the records that the function was given and did not refuse, in order.
    fn seen(&self) -> Vec<String> {
        let text = fs::read_to_string(self.seen_file()).unwrap_or_default();
        let events = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let ids = |event: Value| {
            let records = event["Records"].as_array().cloned().unwrap_or_default();
            let id = |record: &Value| {
                record["dynamodb"]["NewImage"]["id"]["S"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            };
            records.iter().map(id).collect::<Vec<_>>()
        };
        events.flat_map(ids).collect()
    }

    async fn until<T: PartialEq + std::fmt::Debug>(&self, wanted: T, look: impl AsyncFn() -> T) {
        let begun = Instant::now();
        loop {
            let found = look().await;
            if found == wanted {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{found:?}, not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn a_stream_reaches_its_function_and_a_poison_record_its_queue() {
    let bench = Bench::start().await;
    bench.map().await;
    for (id, status) in [
        ("a", "NEW"),
        ("filtered", "DEPLOYED"),
        ("b", "NEW"),
        ("poison", "NEW"),
        ("c", "NEW"),
    ] {
        let item = json!({"TableName": "rows", "Item": {"id": {"S": id}, "status": {"S": status}}});
        bench.dynamodb("PutItem", item).await;
    }
    bench
        .until(vec!["a".to_owned(), "b".into(), "c".into()], async || {
            bench.seen()
        })
        .await;
    let url = bench.sqs("GetQueueUrl", json!({"QueueName": "failed"})).await;
    let message = async || {
        bench
            .sqs("ReceiveMessage", json!({"QueueUrl": url["QueueUrl"]}))
            .await["Messages"][0]
            .take()
    };
    let body = message().await["Body"].take();
    let body: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
    assert_eq!(body["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(body["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(body["DDBStreamBatchInfo"]["batchSize"], 1);
    // Written later, it is carried too.
    let item = json!({"TableName": "rows", "Item": {"id": {"S": "d"}, "status": {"S": "NEW"}}});
    bench.dynamodb("PutItem", item).await;
    bench
        .until(Some("d".to_owned()), async || bench.seen().pop())
        .await;
}

async fn what_is_made_is_listed_and_what_is_removed_is_not() {
    let bench = Bench::start().await;
    let look = async || Inventory::of(bench.account(), &[]).await.unwrap();
    let before = look().await;
    let ec2 = async |action: &str, parameters: &[(&str, &str)]| {
        bench
            .account()
            .query("ec2", "2016-11-15", action, parameters)
            .await
            .unwrap()
    };
    let run = [("ImageId", "ami-12c6146b"), ("MinCount", "1"), ("MaxCount", "1")];
    let instance = ec2("RunInstances", &run).await.texts("instanceId").remove(0);
    let logs = async |operation: &str| {
        let target = format!("Logs_20140328.{operation}");
        let body = json!({"logGroupName": "/aws/ec2/enclave/a"});
        bench.account().json("logs", &target, &body).await.unwrap()
    };
    logs("CreateLogGroup").await;
    let made = before.until(&look().await);
    for line in [
        format!("instance {instance}"),
        "log-group /aws/ec2/enclave/a".into(),
    ] {
        assert!(made.new.contains(&line), "{made:#?}");
    }
    ec2("TerminateInstances", &[("InstanceId.1", &instance)]).await;
    logs("DeleteLogGroup").await;
    let left = before.until(&look().await);
    let of_instance =
        |line: &&String| !line.starts_with("network-interface ") && !line.starts_with("volume ");
    assert_eq!(left.new.iter().filter(of_instance).count(), 0, "{left:#?}");
}
