//! Failures, told to a topic of SNS.

use super::settings::Settings;
use crate::ports::Notifier;
use aws_sdk_sns::Client;
use contract::fault::{causes, printable};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

/// SNS's own bound on a subject, in characters.
const MAX_SUBJECT: usize = 100;

/// A topic.
pub struct Topic {
    client: Client,
    arn: Option<String>,
    environment: String,
}

impl Topic {
    /// The topic of `settings`; without one, failures stand in the log alone.
    pub fn new(sdk: &aws_config::SdkConfig, settings: &Settings) -> Self {
        Self {
            client: Client::new(sdk),
            arn: settings.topic.clone(),
            environment: settings.environment.clone(),
        }
    }
}

impl Notifier for Topic {
    /// Nobody waits for the answer but the log: the row says why it failed in any case.
    fn failed<'a>(&'a self, id: &'a str, reason: &'a str) -> BoxFuture<'a, ()> {
        async move {
            tracing::error!(id, reason, "the row failed");
            super::metrics::count(&self.environment, &[("RowsFailed", 1)]);
            let Some(arn) = &self.arn else { return };
            let subject = printable(
                &format!("Treza {}: row {id} failed", self.environment),
                MAX_SUBJECT,
            );
            let message = serde_json::json!({"id": id, "environment": self.environment, "reason": reason});
            let sent = self
                .client
                .publish()
                .topic_arn(arn)
                .subject(subject)
                .message(message.to_string())
                .send()
                .await;
            if let Err(error) = sent {
                let problem = causes(&error, 500);
                tracing::error!(id, problem, "the failure could not be told to the topic");
            }
        }
        .boxed()
    }
}
