//! Who this host is: as its configuration says, or, on EC2, as the instance's own metadata does (IMDSv2).

use crate::Error;
use crate::config::{Config, is_instance_id};
use aws_config::imds::Client;
use contract::fault::{causes, printable};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Paths of the metadata service:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html>.
const INSTANCE_ID: &str = "/latest/meta-data/instance-id";
const ADDRESS: &str = "/latest/meta-data/local-ipv4";
/// How long the service may take: it is on the host itself.
const TIMEOUT: Duration = Duration::from_secs(2);
const MOST_TRIES: u32 = 5;

/// Who this host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its EC2 instance id: rows are assigned to it by this name.
    pub instance_id: String,
    /// Where the ingress listens, and what stands in `endpoints`.
    pub address: IpAddr,
}

impl Identity {
    /// As `config` says. Where it names no instance, the metadata service is asked; where it names one and no address,
    /// that is 127.0.0.1.
    ///
    /// # Errors
    /// [`Error::Metadata`] if the service is not there, or says what is no instance's.
    pub async fn find(config: &Config) -> Result<Self, Error> {
        if let Some(instance_id) = &config.instance_id {
            return Ok(Self {
                instance_id: instance_id.clone(),
                address: config.address.unwrap_or(Ipv4Addr::LOCALHOST.into()),
            });
        }
        let client = Client::builder()
            .connect_timeout(TIMEOUT)
            .read_timeout(TIMEOUT)
            .max_attempts(MOST_TRIES)
            .build();
        let instance_id = get(&client, INSTANCE_ID).await?;
        if !is_instance_id(&instance_id) {
            return Err(wrong(INSTANCE_ID, &instance_id));
        }
        let address = match config.address {
            Some(address) => address,
            None => {
                let text = get(&client, ADDRESS).await?;
                text.parse().map_err(|_| wrong(ADDRESS, &text))?
            }
        };
        Ok(Self { instance_id, address })
    }
}

async fn get(client: &Client, path: &'static str) -> Result<String, Error> {
    let answer = client.get(path).await.map_err(|error| Error::Metadata {
        path,
        problem: causes(&error, 300),
    })?;
    Ok(answer.as_ref().to_owned())
}

fn wrong(path: &'static str, found: &str) -> Error {
    Error::Metadata {
        path,
        problem: format!("it says {:?}", printable(found, 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_configuration_says_is_not_asked_for() {
        let config = Config::parse(crate::config::tests::GOOD).unwrap();
        let identity = Identity::find(&config).await.unwrap();
        assert_eq!(identity.instance_id, "i-0123456789abcdef0");
        assert_eq!(identity.address, Ipv4Addr::LOCALHOST);
    }
}
