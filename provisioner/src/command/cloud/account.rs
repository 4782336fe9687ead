//! Whose account it is.

use super::super::Error;
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
    pub(super) async fn find(connection: &Connection) -> Result<Self, Error> {
        let sdk = connection.sdk_config().await;
        let answer = aws_sdk_sts::Client::new(&sdk).get_caller_identity().send().await;
        let nobody = |problem: String| {
            let profile = connection.profile.as_ref();
            let profile = profile
                .map(|profile| format!(" (profile {profile})"))
                .unwrap_or_default();
            Error::CouldNot(format!(
                "AWS does not say who you are{profile}: {problem}: set --profile, or AWS_ACCESS_KEY_ID and its like"
            ))
        };
        let identity = answer.map_err(|error| nobody(causes(&error, 300)))?;
        let missing = || nobody("its answer names no account".into());
        Ok(Self {
            id: identity.account.ok_or_else(missing)?,
            region: connection.region.clone(),
            caller: identity.arn.ok_or_else(missing)?,
        })
    }
}
