//! Signing keys that AWS KMS holds: asymmetric, ECC_NIST_P256, ECC_NIST_P384 or ECC_NIST_P521, for SIGN_VERIFY. KMS is shown
//! a digest. What it gives is not the same each time: KMS draws the number `k` of each signature at random.
use std::{thread, time::Duration};

use aws_config::{BehaviorVersion, Region, timeout::TimeoutConfig};
use aws_lc_rs::digest;
use aws_sdk_kms::{
    Client,
    primitives::Blob,
    types::{MessageType, SigningAlgorithmSpec},
};
use contract::fault::{causes, printable};
use tokio::runtime::Builder;

use super::certificate::Curve;
use crate::eif::Error;

/// How long AWS may take, looking for credentials and retries included.
const PATIENCE: Duration = Duration::from_secs(30);

/// A key of KMS's.
pub(super) struct Key {
    arn: String,
    region: String,
    curve: Curve,
}

impl Key {
    /// The key of an ARN, `arn:aws:kms:REGION:ACCOUNT:key/ID` or `…:alias/NAME`.
    pub(super) fn new(arn: &str, curve: Curve) -> Result<Self, Error> {
        let mut parts = arn.split(':').skip(2);
        match (parts.next(), parts.next()) {
            (Some("kms"), Some(region)) if !region.is_empty() && arn.len() <= 2048 => Ok(Self {
                arn: arn.to_owned(),
                region: region.to_owned(),
                curve,
            }),
            _ => Err(Error::Key(format!(
                "{:?} is no key's ARN; write arn:aws:kms:REGION:ACCOUNT:key/ID",
                printable(arn, 200)
            ))),
        }
    }

    /// r and s, each as long as the curve's field.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        // A thread of its own: the caller's may have a runtime on it already, or none.
        let answer = thread::scope(|scope| scope.spawn(|| self.ask(message)).join());
        let der = answer.unwrap_or_else(|_| Err(Error::Key("KMS was not asked".into())))?;
        self.fixed(&der)
            .ok_or_else(|| Error::Key("what KMS gives is no signature on the certificate's curve".into()))
    }

    fn ask(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let timeouts = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
            let config = aws_config::defaults(BehaviorVersion::latest())
                .region(Region::new(self.region.clone()))
                .timeout_config(timeouts)
                .load()
                .await;
            let (algorithm, hash) = match self.curve {
                Curve::P256 => (SigningAlgorithmSpec::EcdsaSha256, &digest::SHA256),
                Curve::P384 => (SigningAlgorithmSpec::EcdsaSha384, &digest::SHA384),
                Curve::P521 => (SigningAlgorithmSpec::EcdsaSha512, &digest::SHA512),
            };
            let answer = Client::new(&config)
                .sign()
                .key_id(&self.arn)
                .message(Blob::new(digest::digest(hash, message).as_ref()))
                .message_type(MessageType::Digest)
                .signing_algorithm(algorithm)
                .send()
                .await;
            let answer = answer.map_err(|error| {
                let cause = causes(&error, 500);
                Error::Key(format!(
                    "kms:Sign in {} fails: {cause}; check the ARN, the AWS credentials and their permissions",
                    self.region
                ))
            })?;
            let signature = answer.signature.map(Blob::into_inner);
            signature.ok_or_else(|| Error::Key("KMS gives no signature".into()))
        })
    }

    /// KMS gives DER; COSE has the two numbers, one after the other (RFC 9053, section 2.1).
    fn fixed(&self, der: &[u8]) -> Option<Vec<u8>> {
        Some(match self.curve {
            Curve::P256 => p256::ecdsa::Signature::from_der(der).ok()?.to_bytes().to_vec(),
            Curve::P384 => p384::ecdsa::Signature::from_der(der).ok()?.to_bytes().to_vec(),
            Curve::P521 => p521::ecdsa::Signature::from_der(der).ok()?.to_bytes().to_vec(),
        })
    }
}
