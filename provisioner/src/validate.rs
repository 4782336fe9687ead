//! Validation: the client's request is read whole; everything wrong with it fails the row at once.

use crate::pipeline::{Error, Pipeline, Step, reason};
use contract::request::EnclaveRequest;
use contract::row::{Row, attribute};
use contract::{RecordId, Status};

/// The statuses in which a row is on its way to its evidence.
pub(crate) const DEPLOYING: [Status; 2] = [Status::Deploying, Status::Resuming];

/// Reads the row's request. A row that is PENDING_DEPLOY is DEPLOYING from here on, with the warnings in its
/// `statusReason`; a row that is DEPLOYING or RESUMING already stays so.
///
/// # Errors
/// [`Error::Final`] with every fault of the request, or with what no host can give.
pub async fn validate(pipeline: &Pipeline, id: &RecordId, generation: u64) -> Result<Step, Error> {
    let from = [Status::PendingDeploy, Status::Deploying, Status::Resuming];
    pipeline
        .change(id, generation, &from, |row| {
            let request = request(pipeline, row)?;
            pipeline.hosts.check(&request)?;
            if row.status != Status::PendingDeploy {
                return Ok(None);
            }
            let change = pipeline.to_status(Status::Deploying);
            Ok(Some(match warnings(&request) {
                Some(text) => change.text(attribute::STATUS_REASON, reason(&text)),
                None => change.remove(attribute::STATUS_REASON),
            }))
        })
        .await
}

/// The request in a row.
pub(crate) fn request(pipeline: &Pipeline, row: &Row) -> Result<EnclaveRequest, Error> {
    Ok(EnclaveRequest::read(&row.item, &pipeline.region)?)
}

/// What a person should know of a request that is taken up.
fn warnings(request: &EnclaveRequest) -> Option<String> {
    let mut warnings = Vec::new();
    if request.debug {
        warnings.push(
            "debug mode: nothing will be proven about the image, and no secret is released to it".into(),
        );
    }
    if !request.unknown_fields.is_empty() {
        let names = request.unknown_fields.join(", ");
        warnings.push(format!("nothing is done about the unknown fields {names}"));
    }
    if !request.aws_services.is_empty() {
        warnings.push("awsServices: there is no way out to them in this pipeline".into());
    }
    (!warnings.is_empty()).then(|| format!("warning: {}", warnings.join("; ")))
}
