//! The APIs of an account at an endpoint of one's own. Nobody checks a signature there, but the `Authorization` header
//! tells which service is meant.

use axum::body::Bytes;
use reqwest::{Client, Method, RequestBuilder};
use roxmltree::Document;
use serde_json::Value;
use std::time::Duration;

const TIME_LIMIT: Duration = Duration::from_secs(60);
/// The longest answer that is read.
const MOST_BYTES: usize = 64 << 20;

/// An account.
#[derive(Debug, Clone)]
pub struct Account {
    http: Client,
    endpoint: String,
    region: String,
}

/// A call that did not work.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No answer, or half of one.
    #[error("{call}: {source}")]
    NoAnswer {
        /// Service and operation.
        call: String,
        /// What happened.
        source: reqwest::Error,
    },
    /// An answer that says no.
    #[error("{call}: {status}: {body}")]
    Refused {
        /// Service and operation.
        call: String,
        /// The HTTP status.
        status: u16,
        /// What it says.
        body: String,
    },
    /// An answer that is none.
    #[error("{call}: {problem}")]
    Unreadable {
        /// Service and operation.
        call: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl CallError {
    /// Whether the thing that was asked for is not there.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Refused { status, body, .. } => {
                *status == 404
                    || ["NotFound", "NonExistent", "NoSuch"]
                        .iter()
                        .any(|word| body.contains(word))
            }
            _ => false,
        }
    }
}

impl Account {
    /// The account whose APIs are at `endpoint` (`http://127.0.0.1:5000`).
    pub fn at(endpoint: impl Into<String>, region: impl Into<String>) -> Self {
        let http = Client::builder().no_proxy().timeout(TIME_LIMIT).build().unwrap();
        let endpoint = endpoint.into().trim_end_matches('/').to_owned();
        Self {
            http,
            endpoint,
            region: region.into(),
        }
    }

    /// Where its APIs are.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The region that is looked at.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// An operation of a service that speaks JSON: `target` is `DynamoDB_20120810.GetItem`.
    pub async fn json(&self, service: &str, target: &str, body: &Value) -> Result<Value, CallError> {
        let request = self
            .request(service, Method::POST, "/")
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.0")
            .body(body.to_string());
        read_json(target, send(target, request).await?)
    }

    /// An operation of a service that speaks the query protocol; answers its XML.
    pub async fn query(
        &self,
        service: &str,
        version: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Xml, CallError> {
        let mut form = vec![("Action", action), ("Version", version)];
        form.extend(parameters);
        let request = self.request(service, Method::POST, "/").form(&form);
        let call = format!("{service} {action}");
        read_xml(&call, send(&call, request).await?)
    }

    /// Reads JSON at a path of a service that speaks REST.
    pub async fn get_json(&self, service: &str, path: &str) -> Result<Value, CallError> {
        read_json(path, send(path, self.request(service, Method::GET, path)).await?)
    }

    /// Posts JSON to a path of a service that speaks REST.
    pub async fn post_json(&self, service: &str, path: &str, body: &Value) -> Result<Value, CallError> {
        let request = self.request(service, Method::POST, path);
        let request = request
            .header("content-type", "application/json")
            .body(body.to_string());
        read_json(path, send(path, request).await?)
    }

    /// Puts JSON at a path of a service that speaks REST.
    pub async fn put_json(&self, service: &str, path: &str, body: &Value) -> Result<Value, CallError> {
        let request = self.request(service, Method::PUT, path);
        let request = request
            .header("content-type", "application/json")
            .body(body.to_string());
        read_json(path, send(path, request).await?)
    }

    /// Reads XML at a path of a service that speaks REST.
    pub async fn get_xml(&self, service: &str, path: &str) -> Result<Xml, CallError> {
        read_xml(path, send(path, self.request(service, Method::GET, path)).await?)
    }

    /// Makes a bucket of S3.
    pub async fn create_bucket(&self, name: &str) -> Result<(), CallError> {
        let place = format!(
            "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
            self.region
        );
        self.put_object(&format!("/{name}"), place.into_bytes()).await
    }

    /// Puts an object of S3 at `/bucket/key`.
    pub async fn put_object(&self, path: &str, content: Vec<u8>) -> Result<(), CallError> {
        let request = self.request("s3", Method::PUT, path).body(content);
        send(path, request).await.map(drop)
    }

    /// Deletes what is at a path.
    pub async fn delete(&self, service: &str, path: &str) -> Result<(), CallError> {
        send(path, self.request(service, Method::DELETE, path))
            .await
            .map(drop)
    }

    /// Reads an object of S3 at `/bucket/key`.
    pub async fn object(&self, path: &str) -> Result<Bytes, CallError> {
        send(path, self.request("s3", Method::GET, path)).await
    }

    /// What S3 says of the encryption of the object at `/bucket/key`: `aws:kms`, `AES256`.
    pub async fn encryption_of(&self, path: &str) -> Result<String, CallError> {
        let no_answer = |source| CallError::NoAnswer {
            call: path.to_owned(),
            source,
        };
        let answer = self.request("s3", Method::HEAD, path).send().await;
        let answer = answer
            .and_then(reqwest::Response::error_for_status)
            .map_err(no_answer)?;
        let header = answer.headers().get("x-amz-server-side-encryption");
        let text = header.and_then(|header| header.to_str().ok());
        Ok(text.unwrap_or_default().to_owned())
    }

    fn request(&self, service: &str, method: Method, path: &str) -> RequestBuilder {
        let scope = format!("test/20260101/{}/{service}/aws4_request", self.region);
        let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        self.http
            .request(method, format!("{}{path}", self.endpoint))
            .header("authorization", authorization)
    }
}

/// An answer in XML. Names are looked for without their namespace.
#[derive(Debug)]
pub struct Xml(String);

impl Xml {
    /// Reads the tree with `read`.
    pub fn with<T>(&self, read: impl FnOnce(roxmltree::Node<'_, '_>) -> T) -> T {
        // It was parsed once, when it came.
        let tree = Document::parse(&self.0).unwrap();
        read(tree.root_element())
    }

    /// The texts of all elements of this name, in order.
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.with(|root| {
            root.descendants()
                .filter(|node| node.tag_name().name() == name)
                .map(|node| node.text().unwrap_or_default().to_owned())
                .collect()
        })
    }
}

async fn send(call: &str, request: RequestBuilder) -> Result<Bytes, CallError> {
    let no_answer = |source| CallError::NoAnswer {
        call: call.to_owned(),
        source,
    };
    let mut answer = request.send().await.map_err(no_answer)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
        if body.len() + chunk.len() > MOST_BYTES {
            let problem = format!("the answer is longer than {MOST_BYTES} bytes");
            let call = call.to_owned();
            return Err(CallError::Unreadable { call, problem });
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return Ok(body.into());
    }
    Err(CallError::Refused {
        call: call.to_owned(),
        status: status.as_u16(),
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn read_json(call: &str, body: Bytes) -> Result<Value, CallError> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&body).map_err(|error| CallError::Unreadable {
        call: call.to_owned(),
        problem: error.to_string(),
    })
}

fn read_xml(call: &str, body: Bytes) -> Result<Xml, CallError> {
    let unreadable = |problem: String| CallError::Unreadable {
        call: call.to_owned(),
        problem,
    };
    let text = String::from_utf8(body.into()).map_err(|error| unreadable(error.to_string()))?;
    Document::parse(&text).map_err(|error| unreadable(error.to_string()))?;
    Ok(Xml(text))
}
