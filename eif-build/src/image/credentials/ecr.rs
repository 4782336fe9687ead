//! Amazon ECR: its registries take AWS credentials, exchanged for a password of twelve hours.
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, timeout::TimeoutConfig};
use aws_sdk_ecr::Client;
use base64::{Engine, engine::general_purpose::STANDARD};
use contract::fault::causes;

use super::Login;

/// How long AWS may take, looking for credentials and retries included.
const PATIENCE: Duration = Duration::from_secs(30);

/// The region of a registry of ECR, `ACCOUNT.dkr.ecr.REGION.amazonaws.com` (`dkr-ecr` where it has IPv6, `-fips`, `.cn`);
/// `None` if it is none.
pub(super) fn region(registry: &str) -> Option<&str> {
    let (account, rest) = registry.split_once('.')?;
    let starts = ["dkr.ecr.", "dkr.ecr-fips."];
    let rest = starts.iter().find_map(|start| rest.strip_prefix(start))?;
    let ends = [".amazonaws.com", ".amazonaws.com.cn"];
    let region = ends.iter().find_map(|end| rest.strip_suffix(end))?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_region = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (is_account && !region.is_empty() && region.bytes().all(is_region)).then_some(region)
}

/// What the registries of `region` are shown, with the AWS credentials that the SDK finds (environment, profile, instance).
pub(super) async fn log_in(region: &str) -> Result<Login, String> {
    let timeouts = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .timeout_config(timeouts)
        .load()
        .await;
    let answer = Client::new(&config).get_authorization_token().send().await;
    let answer = answer.map_err(|error| {
        let cause = causes(&error, 500);
        format!("ecr:GetAuthorizationToken in {region} fails: {cause}; check the AWS credentials and their permissions")
    })?;
    let tokens = answer.authorization_data();
    let decode = |token: &str| {
        let text = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
        let (name, password) = text.split_once(':')?;
        Some(Login::basic(name, password))
    };
    let mut logins = tokens
        .iter()
        .filter_map(|data| decode(data.authorization_token()?));
    logins
        .next()
        .ok_or_else(|| format!("ecr:GetAuthorizationToken in {region} gives no token"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn registries_of_ecr_have_their_region() {
        for (registry, found) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", Some("eu-west-1")),
            (
                "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com",
                Some("us-east-1"),
            ),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                Some("cn-north-1"),
            ),
            ("12345678901.dkr.ecr.eu-west-1.amazonaws.com", None),
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.test", None),
            ("123456789012.dkr.ecr.a.b.amazonaws.com", None),
            ("123456789012.dkr.ecr..amazonaws.com", None),
            ("public.ecr.aws", None),
            ("docker.io", None),
        ] {
            assert_eq!(region(registry), found, "{registry}");
        }
    }

    proptest! {
        #[test]
        fn a_region_is_a_host_s_label(registry in r"[0-9]{11,13}\.dkr\.ecr\.[a-z0-9./@:-]{0,20}\.amazonaws\.com") {
            if let Some(region) = region(&registry) {
                prop_assert!(region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
            }
        }
    }
}
