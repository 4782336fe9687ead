//! `POST /2015-03-31/functions/NAME/invocations`: 200 with the answer, with `X-Amz-Function-Error` and the error if the
//! function failed; errors of the service itself with their type, as Lambda writes them.

use super::{MOST_BYTES, Refusal, Service};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;
use std::sync::Arc;

pub(super) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        // What is too long is to be refused as Lambda does.
        .layer(DefaultBodyLimit::max(MOST_BYTES + 1))
        .with_state(service)
}

async fn invoke(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    event: Bytes,
) -> Response {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = header("x-amz-invocation-type").unwrap_or("RequestResponse");
    if !["RequestResponse", "Event"].contains(&kind) {
        return error(
            StatusCode::BAD_REQUEST,
            "InvalidParameterValueException",
            "the invocation type is not emulated",
        );
    }
    let event = if event.is_empty() {
        Bytes::from_static(b"{}")
    } else {
        event
    };
    if serde_json::from_slice::<serde::de::IgnoredAny>(&event).is_err() {
        return error(
            StatusCode::BAD_REQUEST,
            "InvalidRequestContentException",
            "Could not parse request body into json",
        );
    }
    if kind == "Event" {
        let trace = header("x-amzn-trace-id").map(str::to_owned);
        tokio::spawn(async move { service.invoke(&name, event, trace.as_deref()).await.map(drop) });
        return StatusCode::ACCEPTED.into_response();
    }
    match service.invoke(&name, event, header("x-amzn-trace-id")).await {
        Ok(invoked) => {
            let mut answer = ([("x-amz-executed-version", "$LATEST")], invoked.payload).into_response();
            if let Some(kind) = invoked.function_error {
                answer
                    .headers_mut()
                    .insert("x-amz-function-error", kind.parse().unwrap());
            }
            answer
        }
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Response {
    let (status, kind) = match refusal {
        Refusal::NotFound(_) => (StatusCode::NOT_FOUND, "ResourceNotFoundException"),
        Refusal::TooMany => (StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException"),
        Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException"),
        Refusal::Account(_) | Refusal::Unfit(_) => (StatusCode::INTERNAL_SERVER_ERROR, "ServiceException"),
    };
    error(status, kind, &refusal.to_string())
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = json!({"Type": "User", "Message": message, "message": message}).to_string();
    (
        status,
        [("x-amzn-errortype", kind), ("content-type", "application/json")],
        body,
    )
        .into_response()
}
