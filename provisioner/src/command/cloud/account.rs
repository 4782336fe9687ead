//! Whose account it is.

use super::super::{Error, Global};
use aws_config::SdkConfig;
use contract::fault::causes;
use store::Connection;

/// An account, and a caller in it.
pub(super) struct Account {
    pub(super) id: String,
    pub(super) region: String,
    /// The caller's ARN.
    pub(super) caller: String,
}

impl Account {
    /// Asks AWS who the credentials are.
    pub(super) async fn find(global: &Global) -> Result<Self, Error> {
        let sdk = connection(global).sdk_config().await;
        let answer = aws_sdk_sts::Client::new(&sdk).get_caller_identity().send().await;
        let identity = answer.map_err(|error| {
            let problem = causes(&error, 300);
            Error::CouldNot(format!(
                "AWS does not say who you are: {problem}: set --profile, or AWS_ACCESS_KEY_ID and its like"
            ))
        })?;
        Ok(Self {
            id: identity.account.unwrap_or_default(),
            region: global.region.clone(),
            caller: identity.arn.unwrap_or_default(),
        })
    }
}

/// The way to AWS that the user's options name.
pub(super) fn connection(global: &Global) -> Connection {
    Connection {
        endpoint: None,
        s3_endpoint: None,
        profile: global.profile.clone(),
        region: global.region.clone(),
    }
}

/// The SDK's configuration for the same.
pub(super) async fn sdk(global: &Global) -> SdkConfig {
    connection(global).sdk_config().await
}
