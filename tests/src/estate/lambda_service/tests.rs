//! The service with processes that speak the Runtime API by curl: what any runtime may do, and what none should.

use super::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;
use tempfile::TempDir;

/// A `bootstrap` whose handler is a word of its own.
const BOOTSTRAP: &str = r#"#!/bin/bash
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
post() { curl -s -o /dev/null -X POST "$api/$1" -d "$2"; }
case $_HANDLER in
    cannot-start) post init/error '{"errorType":"NoTable","errorMessage":"no table"}'; exit 1 ;;
    exits) exit 3 ;;
esac
while :; do
    event=$(curl -s -D /proc/self/fd/3 "$api/invocation/next" 3>"$HEADERS") || exit 0
    id=$(sed -n 's/\r//; s/^lambda-runtime-aws-request-id: //p' "$HEADERS")
    case $_HANDLER in
        echo) post "invocation/$id/response" "{\"event\":$event,\"pid\":$$,\"greeting\":\"$GREETING\"}" ;;
        headers) post "invocation/$id/response" "$(sed -n 's/\r//; s/^\(lambda-[^:]*\): \(.*\)$/"\1":"\2",/p' "$HEADERS" | tr -d '\n' | sed 's/^/{/; s/,$/}/')" ;;
        fails) post "invocation/$id/error" '{"errorType":"Final","errorMessage":"no such image"}' ;;
        wrong-id) post "invocation/another/response" '{}'; post "invocation/$id/response" '"right"' ;;
        sleeps) sleep 20 ;;
        dies) kill -9 $$ ;;
        asks-again) ;;
    esac
done
"#;

struct Bench {
    service: LambdaService,
    _folder: TempDir,
}

async fn bench(handler: &str) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("bootstrap");
    std::fs::write(&program, BOOTSTRAP).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let headers = folder.path().join("headers").to_str().unwrap().to_owned();
    let function = Function {
        name: "f".into(),
        arn: "arn:aws:lambda:us-west-2:123456789012:function:f".into(),
        handler: handler.into(),
        timeout: Duration::from_secs(if handler == "sleeps" { 1 } else { 20 }),
        memory_mib: 128,
        environment: BTreeMap::from([("GREETING".into(), "hello".into()), ("HEADERS".into(), headers)]),
    };
    let options = ServiceOptions {
        bootstrap: vec![program],
        logs: folder.path().join("logs"),
        aws_endpoint: None,
        concurrency: 1,
    };
    let functions = Functions::Given([("f".to_owned(), function)].into());
    Bench {
        service: LambdaService::start(functions, options).await,
        _folder: folder,
    }
}

impl Bench {
    async fn invoke(&self, event: &Value) -> Invoked {
        self.service.invoke("f", event.to_string().into()).await.unwrap()
    }

    async fn error(&self) -> (String, String) {
        let invoked = self.invoke(&json!({})).await;
        assert_eq!(invoked.function_error, Some("Unhandled"), "{invoked:?}");
        let error: Value = serde_json::from_slice(&invoked.payload).unwrap();
        let text = |name: &str| error[name].as_str().unwrap().to_owned();
        (text("errorType"), text("errorMessage"))
    }
}

fn answer(invoked: &Invoked) -> Value {
    assert_eq!(invoked.function_error, None, "{invoked:?}");
    serde_json::from_slice(&invoked.payload).unwrap()
}

#[tokio::test]
async fn a_process_serves_one_event_after_the_other() {
    let bench = bench("echo").await;
    let first = bench.invoke(&json!({"n": 1})).await;
    let second = bench.invoke(&json!({"n": 2})).await;
    assert!(first.init.is_some() && second.init.is_none(), "started once");
    let (first, second) = (answer(&first), answer(&second));
    assert_eq!(
        (&first["event"]["n"], &second["event"]["n"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(first["pid"], second["pid"]);
    assert_eq!(first["greeting"], "hello");
    assert_eq!(bench.service.processes("f").len(), 1);
}

#[tokio::test]
async fn the_headers_are_the_runtime_apis() {
    let bench = bench("headers").await;
    let headers = answer(&bench.invoke(&json!({})).await);
    assert_eq!(
        headers["lambda-runtime-invoked-function-arn"],
        "arn:aws:lambda:us-west-2:123456789012:function:f"
    );
    assert_eq!(
        headers["lambda-runtime-aws-request-id"].as_str().unwrap().len(),
        36
    );
    let trace = headers["lambda-runtime-trace-id"].as_str().unwrap();
    assert!(
        trace.starts_with("Root=1-") && trace.contains(";Parent=") && trace.ends_with(";Sampled=1"),
        "{trace}"
    );
    let deadline: u64 = headers["lambda-runtime-deadline-ms"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis() as u64;
    assert!((now..now + 20_000).contains(&deadline), "{deadline}, {now}");
}

#[tokio::test]
async fn failures_have_lambdas_names() {
    let (kind, message) = bench("fails").await.error().await;
    assert_eq!((kind.as_str(), message.as_str()), ("Final", "no such image"));
    let (kind, _) = bench("cannot-start").await.error().await;
    assert_eq!(kind, "NoTable");
    let (kind, message) = bench("exits").await.error().await;
    assert_eq!(kind, "Runtime.ExitError");
    assert!(message.ends_with("exit status 3"), "{message}");
    let (kind, message) = bench("dies").await.error().await;
    assert_eq!(kind, "Runtime.ExitError");
    assert!(message.ends_with("signal: killed"), "{message}");
    let (kind, _) = bench("asks-again").await.error().await;
    assert_eq!(kind, "Runtime.InvalidNext");
}

#[tokio::test]
async fn a_process_that_takes_too_long_is_ended() {
    let bench = bench("sleeps").await;
    let begun = Instant::now();
    let (kind, message) = bench.error().await;
    assert_eq!(kind, "Sandbox.Timedout");
    assert!(
        message.ends_with("Task timed out after 1.00 seconds"),
        "{message}"
    );
    assert!(begun.elapsed() < Duration::from_secs(15), "not waited for");
    assert!(bench.service.processes("f").is_empty(), "nor kept");
}

#[tokio::test]
async fn an_answer_to_another_request_is_refused() {
    assert_eq!(answer(&bench("wrong-id").await.invoke(&json!({})).await), "right");
}

#[tokio::test]
async fn what_is_not_run_is_said() {
    let bench = bench("echo").await;
    let none = bench.service.invoke("none", Bytes::from_static(b"{}")).await;
    assert!(matches!(none, Err(Refusal::NotFound(_))), "{none:?}");
    let long = bench.service.invoke("f", vec![b' '; MOST_BYTES + 1].into()).await;
    assert!(matches!(long, Err(Refusal::TooLarge)));
}

#[tokio::test]
async fn more_at_once_than_there_are_places_is_too_many() {
    let bench = bench("sleeps").await;
    let invoke = || bench.service.invoke("f", Bytes::from_static(b"{}"));
    let (first, second) = tokio::join!(invoke(), invoke());
    assert!(first.is_ok());
    assert!(matches!(second, Err(Refusal::TooMany)), "{second:?}");
}

#[tokio::test]
async fn the_invoke_api_answers_as_lambda_does() {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |bench: &Bench, name: &str, body: &'static str| {
        let url = format!(
            "{}/2015-03-31/functions/{name}/invocations",
            bench.service.endpoint()
        );
        let answer = http.post(url).body(body).send().await.unwrap();
        let header = |name| {
            answer
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let (error, kind) = (header("x-amz-function-error"), header("x-amzn-errortype"));
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        (status, error, kind, body)
    };
    let echo = bench("echo").await;
    let (status, error, _, body) = post(&echo, "f", r#"{"n":1}"#).await;
    assert_eq!((status, error, &body["event"]["n"]), (200, None, &json!(1)));
    let arn = "arn:aws:lambda:us-west-2:123456789012:function:f";
    assert_eq!(post(&echo, arn, "{}").await.0, 200);
    let (status, _, kind, _) = post(&echo, "none", "{}").await;
    assert_eq!(
        (status, kind.as_deref()),
        (404, Some("ResourceNotFoundException"))
    );
    assert_eq!(post(&echo, "f", "{").await.0, 400);
    let (status, error, _, body) = post(&bench("fails").await, "f", "{}").await;
    assert_eq!((status, error.as_deref()), (200, Some("Unhandled")));
    assert_eq!(
        body,
        json!({"errorType": "Final", "errorMessage": "no such image"})
    );
}
