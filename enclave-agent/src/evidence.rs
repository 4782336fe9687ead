//! Evidence: a statement of how the enclave is, and a document of the secure module that is bound to it.

use crate::agent::{Agent, Refused};
use contract::agent::{Answer, MAX_NONCE, Refusal};
use contract::statement::{self, Statement};
use nsm::AttestationFields;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

impl Agent {
    /// The evidence for a challenge. The caller chooses the nonce and nothing else of the document.
    pub(crate) async fn evidence(&self, nonce: Vec<u8>) -> Result<Answer, Refused> {
        let launched = self.launched()?;
        if !(1..=MAX_NONCE).contains(&nonce.len()) {
            let reason = format!("a nonce of {} bytes; 1 to {MAX_NONCE} are taken", nonce.len());
            return Err(Refused::new(Refusal::Malformed, reason));
        }
        let statement = Statement {
            kind: statement::TYPE.to_owned(),
            record_id: launched.message.record_id.clone(),
            generation: launched.message.generation,
            launch_digest: launched.digest,
            image_digest: self.image.digest.clone(),
            boot_id: self.boot_id,
            sequence: self.sequence.fetch_add(1, Ordering::SeqCst) + 1,
            health: launched.application.health(),
            tls_key_digest: None,
            clock_ms: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |time| time.as_millis() as u64),
        }
        .encode();
        let fields = AttestationFields {
            user_data: Some(Statement::user_data(&statement).to_vec()),
            nonce: Some(nonce),
            public_key: None,
        };
        match self.secure_module.ask(|nsm| nsm.attestation(fields)).await {
            Ok(document) => Ok(Answer::Evidence { statement, document }),
            Err(error) => Err(Refused::new(Refusal::Internal, error)),
        }
    }
}
