//! Placement: a host is provided, and with one write the row is assigned to it and says what its evidence must be.

use crate::pipeline::{Error, Pipeline, Step, value};
use crate::ports::Measured;
use crate::validate::{DEPLOYING, request};
use attestation::pcr4_of;
use contract::RecordId;
use contract::row::{Attestation, AttestationState, Expected, Host, Row, attribute};
use store::Change;

/// Bytes of a challenge.
const CHALLENGE: usize = 32;

/// Provides a host and assigns the row to it, with an expectation for this generation and a challenge of its own.
///
/// # Errors
/// Those of [`crate::ports::Hosts::provide`].
pub async fn place(
    pipeline: &Pipeline,
    id: &RecordId,
    generation: u64,
    measured: &Measured,
) -> Result<Step, Error> {
    if pipeline.current(id, generation, &DEPLOYING).await?.is_none() {
        return Ok(Step::Superseded);
    }
    let host = pipeline.hosts.provide(id, generation).await?;
    let challenge = challenge()?;
    pipeline
        .change(id, generation, &DEPLOYING, |row| {
            if row.current_expectation().is_some() {
                return Ok(None);
            }
            assignment(pipeline, row, measured, &host, &challenge).map(Some)
        })
        .await
}

/// A fresh challenge: random bytes in hex.
pub(crate) fn challenge() -> Result<String, Error> {
    let mut bytes = [0; CHALLENGE];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Error::Passing("the system has no random numbers to give".into()))?;
    Ok(hex::encode(bytes))
}

fn assignment(
    pipeline: &Pipeline,
    row: &Row,
    measured: &Measured,
    host: &Host,
    challenge: &str,
) -> Result<Change, Error> {
    let launch = request(pipeline, row)?.launch_message(&row.id, row.generation, &measured.bundle);
    let mut pcrs = measured.pcrs.clone();
    pcrs.insert(4, pcr4_of(&host.instance_id));
    pcrs.insert(16, launch.pcr16());
    let expected = Expected {
        generation: row.generation,
        image_digest: measured.image_digest.clone(),
        bundle: measured.bundle.clone(),
        pcrs: pcrs
            .into_iter()
            .map(|(index, value)| (index.to_string(), hex::encode(value)))
            .collect(),
        instance_id: host.instance_id.clone(),
        challenge: challenge.to_owned(),
        challenge_since: Some(pipeline.now_ms()),
        previous_challenge: None,
    };
    let pending = Attestation {
        state: AttestationState::Pending,
        trust: None,
        verified_at: None,
        verified_by: None,
        reason: None,
        statement: Vec::new(),
        document: Vec::new(),
    };
    Ok(Change::new()
        .set(attribute::EXPECTED, value(&expected)?)
        .text(attribute::HOST_ID, host.instance_id.clone())
        .set(attribute::HOST, value(host)?)
        .set(attribute::ATTESTATION, value(&pending)?)
        .remove(attribute::ENCLAVE)
        .remove(attribute::ENDPOINTS)
        .remove(attribute::HEALTH))
}
