//! Where the tables are.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use std::env;
use std::time::Duration;

/// The SDK's own variables that name another S3.
const ENDPOINT_VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// Where DynamoDB and S3 are reached.
#[derive(Debug, Clone)]
pub struct Connection {
    /// A DynamoDB other than AWS's: `http://127.0.0.1:8000`.
    pub endpoint: Option<String>,
    /// An S3 other than AWS's; addressed by path.
    pub s3_endpoint: Option<String>,
    /// The profile of AWS's own configuration files whose credentials count; else those of the environment.
    pub profile: Option<String>,
    /// The region.
    pub region: String,
}

/// The names of the tables.
#[derive(Debug, Clone)]
pub struct Tables {
    /// What clients write.
    pub rows: String,
    /// What hosts write.
    pub reports: String,
    /// What the pipeline notes of turns; in AWS only.
    pub turns: String,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            rows: "enclaves".into(),
            reports: "reports".into(),
            turns: "turns".into(),
        }
    }
}

impl Connection {
    /// The DynamoDB client. At an endpoint of one's own, without credentials in the environment, it signs with
    /// words that no one checks.
    pub async fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.load(self.endpoint.as_deref()).await)
    }

    /// The S3 client.
    pub async fn s3(&self) -> aws_sdk_s3::Client {
        let shared = self.load(self.s3_endpoint.as_deref()).await;
        // An S3 of one's own has no names for its buckets.
        let own =
            self.s3_endpoint.is_some() || ENDPOINT_VARIABLES.iter().any(|name| env::var_os(name).is_some());
        let config = aws_sdk_s3::config::Builder::from(&shared)
            .force_path_style(own)
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// The SDK's configuration for DynamoDB's endpoint, for clients of its streams.
    pub async fn sdk_config(&self) -> SdkConfig {
        self.load(self.endpoint.as_deref()).await
    }

    async fn load(&self, endpoint: Option<&str>) -> SdkConfig {
        let timeouts = aws_config::timeout::TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(Duration::from_secs(10))
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .timeout_config(timeouts);
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(endpoint) = endpoint {
            loader = loader.endpoint_url(endpoint);
            if env::var_os("AWS_ACCESS_KEY_ID").is_none() {
                loader = loader.credentials_provider(Credentials::new(
                    "local",
                    "local",
                    None,
                    None,
                    "local endpoint",
                ));
            }
        }
        loader.load().await
    }
}
