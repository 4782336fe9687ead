//! An instance's metadata service, version 2 only: a session token first (PUT), then it in every request. As in EC2 a
//! request for a token that came through a proxy (`X-Forwarded-For`) is refused.

use super::tasks::Task;
use aws_lc_rs::rand;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use serde_json::json;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";
/// Six hours, EC2's own limit.
const LONGEST: u64 = 21_600;
/// Tokens that are kept; beyond it the oldest go.
const MOST_TOKENS: usize = 1_000;

/// What the service tells of its instance.
#[derive(Debug, Clone)]
pub struct InstanceFacts {
    /// `i-…`.
    pub instance_id: String,
    /// Its address, which is this machine's own.
    pub local_ipv4: Ipv4Addr,
    /// The region.
    pub region: String,
    /// The zone.
    pub availability_zone: String,
    /// The type.
    pub instance_type: String,
    /// The name of its role; none: it has no profile.
    pub role: Option<String>,
    /// Its user data, as it was given.
    pub user_data: Vec<u8>,
}

/// A metadata service on a free port. It ends when it is dropped.
#[derive(Debug)]
pub struct Metadata {
    address: SocketAddr,
    _server: Task,
}

#[derive(Clone)]
struct Service {
    facts: Arc<InstanceFacts>,
    tokens: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Metadata {
    /// Starts one.
    pub async fn serve(facts: InstanceFacts) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Service {
            facts: Arc::new(facts),
            tokens: Arc::default(),
        };
        let router = Router::new()
            .route("/latest/api/token", put(token))
            .route("/latest/{*path}", get(read))
            .with_state(service);
        let server = Task::start(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            _server: server,
        }
    }

    /// `http://127.0.0.1:PORT`, for `AWS_EC2_METADATA_SERVICE_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn token(State(service): State<Service>, headers: HeaderMap) -> Response {
    if headers.contains_key("x-forwarded-for") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let seconds = header(&headers, TTL).and_then(|text| text.parse().ok());
    let Some(seconds @ 1..=LONGEST) = seconds else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut bytes = [0; 40];
    rand::fill(&mut bytes).unwrap();
    let token = hex::encode(bytes);
    let (now, mut tokens) = (Instant::now(), service.tokens.lock().unwrap());
    tokens.retain(|_, until| *until > now);
    if tokens.len() >= MOST_TOKENS {
        tokens.clear();
    }
    tokens.insert(token.clone(), now + Duration::from_secs(seconds));
    ([(TTL, seconds.to_string())], token).into_response()
}

async fn read(State(service): State<Service>, Path(path): Path<String>, headers: HeaderMap) -> Response {
    let until = header(&headers, TOKEN).and_then(|token| service.tokens.lock().unwrap().get(token).copied());
    if until.is_none_or(|until| until <= Instant::now()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match service.facts.at(path.trim_end_matches('/')) {
        Some(text) => text.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

impl InstanceFacts {
    fn at(&self, path: &str) -> Option<Vec<u8>> {
        let text = match path {
            "meta-data/instance-id" => self.instance_id.clone(),
            "meta-data/local-ipv4" => self.local_ipv4.to_string(),
            "meta-data/instance-type" => self.instance_type.clone(),
            "meta-data/placement/region" => self.region.clone(),
            "meta-data/placement/availability-zone" => self.availability_zone.clone(),
            "meta-data/iam/security-credentials" => self.role.clone()?,
            "dynamic/instance-identity/document" => self.document(),
            "user-data" => return (!self.user_data.is_empty()).then(|| self.user_data.clone()),
            path => self.credentials(path.strip_prefix("meta-data/iam/security-credentials/")?)?,
        };
        Some(text.into())
    }

    fn document(&self) -> String {
        json!({
            "accountId": "123456789012", "architecture": "x86_64", "availabilityZone": self.availability_zone,
            "imageId": "ami-12c6146b", "instanceId": self.instance_id, "instanceType": self.instance_type,
            "pendingTime": "2026-01-01T00:00:00Z", "privateIp": self.local_ipv4.to_string(),
            "region": self.region, "version": "2017-09-30",
        })
        .to_string()
    }

    /// Words that no one checks, in the shape of a role's credentials.
    fn credentials(&self, role: &str) -> Option<String> {
        (self.role.as_deref() == Some(role)).then(|| {
            json!({
                "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z",
                "AccessKeyId": "ASIAINSTANCE", "SecretAccessKey": "instance", "Token": "instance",
                "Expiration": "2099-01-01T00:00:00Z",
            })
            .to_string()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::{Client, Method, RequestBuilder};

    async fn service() -> (Metadata, impl Fn(Method, &str) -> RequestBuilder) {
        let metadata = Metadata::serve(InstanceFacts {
            instance_id: "i-0123456789abcdef0".into(),
            local_ipv4: Ipv4Addr::LOCALHOST,
            region: "us-west-2".into(),
            availability_zone: "us-west-2a".into(),
            instance_type: "m6i.xlarge".into(),
            role: Some("a-role".into()),
            user_data: b"#cloud-config".into(),
        })
        .await;
        let endpoint = metadata.endpoint();
        let ask = move |method, path: &str| {
            let client = Client::builder().no_proxy().build().unwrap();
            client.request(method, format!("{endpoint}/latest/{path}"))
        };
        (metadata, ask)
    }

    #[tokio::test]
    async fn with_a_token_it_tells_of_its_instance() {
        let (_metadata, ask) = service().await;
        let token = ask(Method::PUT, "api/token")
            .header(TTL, "60")
            .send()
            .await
            .unwrap();
        let token = token.error_for_status().unwrap().text().await.unwrap();
        let read = async |path: &str| {
            let answer = ask(Method::GET, path).header(TOKEN, &token).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        assert_eq!(
            read("meta-data/instance-id").await,
            (200, "i-0123456789abcdef0".into())
        );
        assert_eq!(read("meta-data/local-ipv4").await.1, "127.0.0.1");
        let (_, document) = read("dynamic/instance-identity/document").await;
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["instanceId"], "i-0123456789abcdef0");
        assert_eq!(document["region"], "us-west-2");
        assert_eq!(read("meta-data/iam/security-credentials/").await.1, "a-role");
        assert!(
            read("meta-data/iam/security-credentials/a-role")
                .await
                .1
                .contains("AccessKeyId")
        );
        assert_eq!(read("meta-data/iam/security-credentials/another").await.0, 404);
        assert_eq!(read("meta-data/nothing").await.0, 404);
    }

    #[tokio::test]
    async fn without_a_token_it_tells_nothing() {
        let (_metadata, ask) = service().await;
        let status = async |request: RequestBuilder| request.send().await.unwrap().status().as_u16();
        let read = || ask(Method::GET, "meta-data/instance-id");
        assert_eq!(status(read()).await, 401, "version 1");
        assert_eq!(status(read().header(TOKEN, "made-up")).await, 401);
        let put = || ask(Method::PUT, "api/token");
        assert_eq!(status(put()).await, 400, "no time to live");
        assert_eq!(status(put().header(TTL, "0")).await, 400);
        assert_eq!(status(put().header(TTL, "21601")).await, 400);
        let forwarded = put().header(TTL, "60").header("x-forwarded-for", "192.0.2.1");
        assert_eq!(status(forwarded).await, 403);
    }
}
