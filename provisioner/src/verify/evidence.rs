//! The evidence of a running enclave, against what the pipeline itself expects of it.

use super::{Decision, Verdict, is_assigned};
use crate::endings::failure;
use crate::pipeline::{Error, Pipeline, reason, value};
use crate::validate::request;
use attestation::CLOCK_SKEW;
use client::Expectation;
use client::evidence::{self, Verified};
use contract::Status;
use contract::fault::{describe, printable};
use contract::report::{EnclaveName, Endpoint, Report};
use contract::row::{Attestation, AttestationState, Expected, Health, Host, Row, attribute};
use contract::statement::{HealthState, Statement};
use std::time::{Duration, SystemTime};
use store::Change;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The greatest age of evidence, and of the last verified evidence before it is STALE.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(120);
/// The greatest age of a report that is judged: a challenge counts for longer than that after it was the row's.
pub(crate) const MAX_REPORT_AGE: Duration = Duration::from_secs(30);
/// How often evidence that says nothing new is copied into the row.
const COPY_EVERY: Duration = Duration::from_secs(60);
/// Who verifies here.
const VERIFIER: &str = concat!("treza-provisioner ", env!("CARGO_PKG_VERSION"));

/// What a report of a running enclave means for the row.
pub(super) fn judge(pipeline: &Pipeline, row: &Row, report: &Report) -> Result<Decision, Error> {
    let Some(expected) = row.current_expectation().filter(|_| is_assigned(row)) else {
        return Ok(Decision::ignore("runs what the row does not wait for"));
    };
    // A report that waited (the pipeline was down, say) is not judged: that its evidence is old, or answers a challenge
    // that has been replaced since, is no one's fault.
    let max_age = MAX_REPORT_AGE.as_millis();
    if u128::from(report.reported_at.abs_diff(pipeline.now_ms())) > max_age {
        return Ok(Decision::ignore(
            "was made more than half a minute before or after now",
        ));
    }
    let (Some(statement), Some(document)) = (&report.statement, &report.document) else {
        return refused(pipeline, row, "the report says RUNNING and carries no evidence");
    };
    let last = last_statement(row);
    let repeats = |last: &Statement| {
        Statement::decode(statement)
            .is_ok_and(|new| new.boot_id == last.boot_id && new.sequence <= last.sequence)
    };
    if last.as_ref().is_some_and(repeats) {
        return Ok(Decision::ignore("repeats what was verified already"));
    }
    let expectation = match expectation(pipeline, row, expected) {
        Ok(expectation) => expectation,
        Err(why) => return refused(pipeline, row, &why),
    };
    let now = pipeline.clock.now();
    let verified = match evidence::verify(statement, document, &expectation, &pipeline.roots, now) {
        Ok(verified) => verified,
        Err(refusal) => return refused(pipeline, row, &refusal.to_string()),
    };
    if last.is_some_and(|last| last.boot_id != verified.statement.boot_id) {
        return refused(
            pipeline,
            row,
            "boot_id: another boot than the one verified before; an enclave is launched once",
        );
    }
    take(pipeline, row, report, &verified)
}

/// Verifies the evidence of a DEPLOYED row once more, at the time when it was verified. The pipeline makes no row
/// DEPLOYED without evidence: one that has none was made so by another.
pub(crate) fn stored(pipeline: &Pipeline, row: &Row) -> Result<(), String> {
    let expected = row
        .current_expectation()
        .ok_or("expected: is none of this generation")?;
    let attestation = row.proven().ok_or("attestation: is none that was verified")?;
    let at = verified_at(attestation).ok_or("attestation.verifiedAt: is not a time")?;
    // Of another process of the pipeline, whose clock may be a little ahead of this one's.
    if at > pipeline.clock.now() + CLOCK_SKEW {
        return Err("attestation.verifiedAt: is in the future".into());
    }
    let mut expectation = expectation(pipeline, row, expected)?;
    // Its challenge has been replaced since.
    expectation.nonces.clear();
    let (statement, document) = (&attestation.statement, &attestation.document);
    evidence::verify(statement, document, &expectation, &pipeline.roots, at)
        .map(drop)
        .map_err(|refusal| refusal.to_string())
}

/// The change of a row whose evidence is refused. Nothing of the refused evidence reaches the row; what was verified
/// before stays in it.
pub(crate) fn refusal_of(pipeline: &Pipeline, row: &Row, why: &str) -> Result<Change, Error> {
    let before = row.attestation.clone();
    let (statement, document) = before.map_or_else(Default::default, |a| (a.statement, a.document));
    let attestation = Attestation {
        state: AttestationState::Refused,
        trust: None,
        verified_at: Some(pipeline.now_text()),
        verified_by: Some(VERIFIER.into()),
        reason: Some(reason(why)),
        statement,
        document,
    };
    Ok(failure(pipeline, row, &format!("evidence refused: {why}"))?
        .set(attribute::ATTESTATION, value(&attestation)?))
}

/// When the row's evidence was verified.
pub(crate) fn verified_at(attestation: &Attestation) -> Option<SystemTime> {
    let text = attestation.verified_at.as_deref()?;
    OffsetDateTime::parse(text, &Rfc3339).ok().map(SystemTime::from)
}

fn refused(pipeline: &Pipeline, row: &Row, why: &str) -> Result<Decision, Error> {
    let change = refusal_of(pipeline, row, why)?;
    Ok(Decision::write(Verdict::Refused(reason(why)), change))
}

fn expectation(pipeline: &Pipeline, row: &Row, expected: &Expected) -> Result<Expectation, String> {
    let mut expectation = Expectation::of(expected, &row.id).map_err(|faults| describe(&faults))?;
    expectation.max_age = Some(MAX_AGE);
    expectation.allow_debug = request(pipeline, row).is_ok_and(|request| request.debug);
    Ok(expectation)
}

/// The last verified statement of this generation.
fn last_statement(row: &Row) -> Option<Statement> {
    Statement::decode(&row.proven()?.statement)
        .ok()
        .filter(|statement| statement.generation == row.generation)
}

fn take(pipeline: &Pipeline, row: &Row, report: &Report, verified: &Verified) -> Result<Decision, Error> {
    let (verdict, status) = outcome(row, &verified.statement);
    let mut attestation = attestation_of(pipeline, report, verified);
    if matches!(verdict, Verdict::Failed(_)) {
        attestation.state = AttestationState::Stale;
        attestation.reason = Some("the application ended".into());
    }
    let health = health_of(pipeline, &verified.statement);
    let enclave = report.enclave.as_ref().map(|enclave| EnclaveName {
        enclave_id: verified.attested.document().module_id.clone(),
        cid: enclave.cid,
    });
    let endpoints: Vec<_> = report.endpoints.iter().map(shown).collect();
    let news = status.is_some()
        || row.endpoints != endpoints
        || row.enclave != enclave
        || row.attestation.as_ref().map(|before| before.state) != Some(attestation.state)
        || !row
            .health
            .as_ref()
            .is_some_and(|before| says_the_same(before, &health));
    if !news && copied_lately(pipeline, row) {
        return Ok(Decision::ignore("says nothing new"));
    }
    let mut change = match (&verdict, status) {
        (Verdict::Failed(why), _) => failure(pipeline, row, why)?,
        (_, status) => {
            let change = status.map_or_else(Change::new, |status| pipeline.to_status(status));
            let change = change.set(attribute::ENDPOINTS, value(&endpoints)?);
            match enclave {
                Some(enclave) => change.set(attribute::ENCLAVE, value(&enclave)?),
                None => change,
            }
        }
    };
    change = change
        .set(attribute::ATTESTATION, value(&attestation)?)
        .set(attribute::HEALTH, value(&health)?);
    if let Some(host) = &row.host {
        let host = Host {
            daemon_version: Some(printable(&report.daemon_version, 32)),
            ..host.clone()
        };
        change = change.set(attribute::HOST, value(&host)?);
    }
    Ok(Decision::write(verdict, change))
}

/// What verified health makes of the row's status.
fn outcome(row: &Row, statement: &Statement) -> (Verdict, Option<Status>) {
    let health = &statement.health;
    // An application that is started again and again is degraded at times: only one that was well has been deployed.
    let good = health.state == HealthState::Healthy;
    if health.ended && health.state != HealthState::Healthy {
        let how = health
            .last_exit
            .map_or("it never ran".into(), |exit| exit.to_string());
        let why = format!(
            "the application ended ({how}, restarted {} times); it says: {}",
            health.restarts,
            if health.detail.is_empty() {
                "nothing"
            } else {
                &health.detail
            }
        );
        return (Verdict::Failed(reason(&why)), Some(Status::Failed));
    }
    let becomes = (good && row.status.may_become(Status::Deployed)).then_some(Status::Deployed);
    (Verdict::Taken, becomes)
}

fn attestation_of(pipeline: &Pipeline, report: &Report, verified: &Verified) -> Attestation {
    let debug = verified.attested.is_debug();
    Attestation {
        state: if debug {
            AttestationState::Debug
        } else {
            AttestationState::Attested
        },
        trust: Some(verified.attested.trust().to_string()),
        verified_at: Some(pipeline.now_text()),
        verified_by: Some(VERIFIER.into()),
        reason: debug
            .then(|| "debug mode: the document is genuine, and proves nothing about the image".into()),
        statement: report.statement.clone().unwrap_or_default(),
        document: report.document.clone().unwrap_or_default(),
    }
}

fn health_of(pipeline: &Pipeline, statement: &Statement) -> Health {
    let health = &statement.health;
    Health {
        state: health.state.as_str().into(),
        sequence: statement.sequence,
        reported_at: pipeline.now_text(),
        restarts: health.restarts,
        last_exit: health.last_exit.map(|exit| exit.to_string()),
        detail: reason(&health.detail),
    }
}

/// Of the detail its first line counts, which says what the probe got: the application's output follows.
fn says_the_same(before: &Health, now: &Health) -> bool {
    (&before.state, before.restarts, &before.last_exit) == (&now.state, now.restarts, &now.last_exit)
        && before.detail.lines().next() == now.detail.lines().next()
}

fn copied_lately(pipeline: &Pipeline, row: &Row) -> bool {
    row.attestation
        .as_ref()
        .and_then(verified_at)
        .and_then(|at| pipeline.clock.now().duration_since(at).ok())
        .is_some_and(|age| age < COPY_EVERY)
}

/// An endpoint as the host says it, fit to be shown.
fn shown(endpoint: &Endpoint) -> Endpoint {
    Endpoint {
        port: endpoint.port,
        address: printable(&endpoint.address, 128),
    }
}
