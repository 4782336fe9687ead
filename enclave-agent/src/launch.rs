//! The launch message: taken once, measured into PCR16 before anything comes of it.

use crate::agent::{Agent, Launched, Refused};
use crate::application::{Application, ports};
use crate::secure_module;
use contract::CanonicalError;
use contract::agent::Refusal;
use contract::launch::LaunchMessage;
use std::sync::atomic::Ordering;

/// The register of the launch message.
const PCR: u16 = 16;

/// Why a launch message came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    /// Not one; another may follow.
    #[error("{0}")]
    Malformed(#[from] CanonicalError),
    /// The second.
    #[error("this enclave took its launch message already; start a new enclave for another")]
    AlreadyLaunched,
    /// The secure module did not do its part. There is no way back from here but the enclave's end.
    #[error("the launch message could not be measured into PCR{PCR}: {0}; start a new enclave")]
    NotMeasured(#[from] secure_module::Error),
    /// Something is in the register already.
    #[error("PCR{PCR} was extended by someone else before the launch; start a new enclave")]
    NotFirst,
}

impl LaunchError {
    /// Whether the enclave must end.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::NotMeasured(_) | Self::NotFirst)
    }
}

impl From<&LaunchError> for Refused {
    fn from(error: &LaunchError) -> Self {
        let refusal = match error {
            LaunchError::Malformed(_) => Refusal::Malformed,
            LaunchError::AlreadyLaunched => Refusal::AlreadyLaunched,
            LaunchError::NotMeasured(_) | LaunchError::NotFirst => Refusal::Internal,
        };
        Refused::new(refusal, error)
    }
}

impl Agent {
    /// Takes the launch message: measures it, locks PCR 0 to 16, starts the application. Answers the ports that the
    /// host may ask for.
    pub(crate) async fn launch(&self, message: &[u8]) -> Result<Vec<u16>, LaunchError> {
        let message = LaunchMessage::decode(message)?;
        if self.claimed.swap(true, Ordering::SeqCst) {
            return Err(LaunchError::AlreadyLaunched);
        }
        let digest = message.digest();
        let measured = self
            .secure_module
            .ask(move |nsm| {
                let value = nsm.extend_pcr(PCR, &digest)?;
                nsm.lock_pcrs(PCR + 1)?;
                Ok(value)
            })
            .await?;
        if measured != message.pcr16() {
            return Err(LaunchError::NotFirst);
        }
        let ports = ports(&self.image, &message);
        let application = Application::start(self.place.clone(), &self.image, &message);
        let launched = Launched {
            message,
            digest,
            ports: ports.clone(),
            application,
        };
        // Set only here, and nobody else gets past the claim.
        let _ = self.launched.set(launched);
        Ok(ports)
    }
}
