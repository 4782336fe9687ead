//! Measurement: what exactly will run, and with which PCRs, before anything is launched.

use crate::pipeline::{Error, Pipeline};
use crate::ports::Measured;
use crate::validate::{DEPLOYING, request};
use contract::request::{EnclaveRequest, Source, memory_mib_for};
use contract::row::{Expected, Row};
use contract::{RecordId, Status};
use std::collections::BTreeMap;

/// nitro-cli's rule: an enclave's memory is at least so many times its EIF.
const MEMORY_PER_EIF: u64 = 4;
const MIB: u64 = 1024 * 1024;
/// The registers that stand for the image, and so stay what they are over a pause.
const IMAGE_PCRS: [u8; 4] = [0, 1, 2, 8];

/// Resolves and measures the row's image. A row that is RESUMING keeps the image and the bundle that it was paused
/// with, whatever its tag names by now. None: superseded.
///
/// # Errors
/// Those of [`crate::ports::Images::measure`]; [`Error::Final`] for an image that the row's memory cannot hold.
pub async fn measure(pipeline: &Pipeline, id: &RecordId, generation: u64) -> Result<Option<Measured>, Error> {
    let Some(row) = pipeline.current(id, generation, &DEPLOYING).await? else {
        return Ok(None);
    };
    if let Some(kept) = kept(&row)? {
        return Ok(Some(kept));
    }
    let request = request(pipeline, &row)?;
    let measured = pipeline.images.measure(&request.source).await?;
    check_memory(&request, measured.eif_bytes)?;
    Ok(Some(measured))
}

/// Whether it is known what the row measures to, so that nothing need be fetched.
///
/// # Errors
/// An expectation in the row that does not read.
pub fn is_known(row: &Row) -> Result<bool, Error> {
    Ok(kept(row)?.is_some())
}

/// What the row was measured as: before its pause, or already in this turn.
fn kept(row: &Row) -> Result<Option<Measured>, Error> {
    let known = match row.status {
        Status::Resuming => row.expected.as_ref(),
        _ => row.current_expectation(),
    };
    known.map(measured_as).transpose()
}

fn measured_as(expected: &Expected) -> Result<Measured, Error> {
    let mut pcrs = BTreeMap::new();
    for index in IMAGE_PCRS {
        let Some(text) = expected.pcrs.get(&index.to_string()) else {
            continue;
        };
        let mut value = [0; 48];
        hex::decode_to_slice(text, &mut value).map_err(|error| {
            Error::Final(format!("expected.pcrs.{index} is not 48 bytes in hex ({error})"))
        })?;
        pcrs.insert(index, value);
    }
    Ok(Measured {
        image_digest: expected.image_digest.clone(),
        bundle: expected.bundle.clone(),
        pcrs,
        eif_bytes: 0,
    })
}

fn check_memory(request: &EnclaveRequest, eif_bytes: u64) -> Result<(), Error> {
    let least = eif_bytes.saturating_mul(MEMORY_PER_EIF).div_ceil(MIB);
    if request.memory_mib >= least {
        return Ok(());
    }
    let (field, fitting) = match request.source {
        Source::Image(_) => ("providerConfig.memoryMiB", memory_mib_for(least)),
        Source::Eif(_) => ("configuration.memory_mib", Some(least)),
    };
    let mend = fitting.map_or_else(
        || "more than a row may ask for: make the image smaller".to_owned(),
        |fitting| format!("write {fitting}"),
    );
    Err(Error::Final(format!(
        "{field}: is {}; the EIF has {} MiB and an enclave needs {MEMORY_PER_EIF} times that: {mend}",
        request.memory_mib,
        eif_bytes.div_ceil(MIB)
    )))
}
