//! The runner's work on one row's host.

use super::diagnosis::{Failure, Kind};
use super::lease::Lease;
use super::settings::{Settings, Turn};
use super::stop::Stop;
use super::terraform::{Ended, Run, Terraform};
use super::{Error, variables};
use crate::aws::Deployment;
use crate::pipeline;
use crate::validate::{DEPLOYING, request};
use contract::request::EnclaveRequest;
use contract::row::Host;
use serde_json::{Map, Value};
use std::time::Duration;
use store::{MeasuredImage, Noted};

/// How often a change is tried again that AWS throttled, or whose lock had been left; the wait before, doubled each time.
const MOST_TRIES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// A run.
pub(super) struct Work {
    deployment: Deployment,
    settings: Settings,
    stop: Stop,
}

impl Work {
    pub(super) fn new(deployment: Deployment, settings: Settings, stop: Stop) -> Self {
        Self {
            deployment,
            settings,
            stop,
        }
    }

    fn turn(&self) -> &Turn {
        &self.settings.turn
    }

    /// Makes the row's host, and notes it, or why there is none.
    pub(super) async fn apply(&self) -> Result<(), Error> {
        let Some(lease) = self.lease().await? else {
            return Ok(());
        };
        // Noted while nobody else can be at it.
        let done = self.make_and_note().await;
        lease.release().await;
        done
    }

    async fn make_and_note(&self) -> Result<(), Error> {
        let (Turn { id, generation }, turns) = (self.turn(), &self.deployment.turns);
        let noted = match self.make().await {
            Ok(Some(host)) => {
                tracing::info!(%id, generation, instance = host.instance_id, "the host is made");
                turns.host(id, *generation, &host).await?
            }
            Ok(None) => return self.superseded(),
            Err(Ended::Failed(failure)) => {
                tracing::error!(%id, generation, reason = failure.reason, "there is no host");
                turns.failed(id, *generation, &failure.reason).await?
            }
            Err(Ended::Lost(error)) => return Err(error),
        };
        match noted {
            Noted::Yes => Ok(()),
            Noted::Superseded => self.superseded(),
        }
    }

    /// None: the row is in another turn.
    async fn make(&self) -> Run<Option<Host>> {
        let Turn { id, generation } = self.turn();
        // Before the row is read: whoever ends the row afterwards sees that there may be a host to give back.
        if self
            .deployment
            .turns
            .provisioning(id, *generation)
            .await
            .map_err(lost)?
            == Noted::Superseded
        {
            return Ok(None);
        }
        let Some((request, measured)) = self.read().await.map_err(ended)? else {
            return Ok(None);
        };
        let terraform = Terraform::open(&self.settings, self.stop.clone()).await?;
        // An instance that is there already stays where it is.
        let there = terraform.outputs().await?;
        let zone = there.get("zone_index").and_then(Value::as_u64);
        let zones = match zone {
            Some(zone) => vec![usize::try_from(zone).unwrap_or(0)],
            None => (0..self.zones()).collect(),
        };
        self.make_in_one_of(&zones, &terraform, &request, &measured)
            .await?;
        host_of(&terraform.outputs().await?).map(Some)
    }

    /// Makes the host in the first of `zones` that has such instances left.
    async fn make_in_one_of(
        &self,
        zones: &[usize],
        terraform: &Terraform,
        request: &EnclaveRequest,
        measured: &MeasuredImage,
    ) -> Run<()> {
        let Turn { id, generation } = self.turn();
        for (at, zone) in zones.iter().enumerate() {
            let variables = variables::of_row(
                &self.settings.variables,
                id,
                *generation,
                request,
                measured,
                *zone,
            )
            .map_err(|fault| ended(fault.into()))?;
            let made = self.persistently(terraform, || terraform.apply(&variables)).await;
            let last = at + 1 == zones.len();
            match made {
                Err(ended) if ended.kind() == Some(&Kind::Capacity) && !last => {
                    tracing::warn!(%id, zone, "the zone has no such instances left; trying the next");
                }
                made => return made,
            }
        }
        Ok(())
    }

    /// Tries again what AWS throttled, and what met a lock that was left.
    async fn persistently<F>(&self, terraform: &Terraform, change: impl Fn() -> F) -> Run<()>
    where
        F: Future<Output = Run<()>>,
    {
        let mut wait = FIRST_WAIT;
        for _ in 1..MOST_TRIES {
            let ended = match change().await {
                Ok(()) => return Ok(()),
                Err(ended) => ended,
            };
            match ended.kind() {
                Some(Kind::Throttled) => tracing::warn!(?wait, "AWS throttles; trying again"),
                Some(Kind::Locked(lock)) if !lock.is_empty() => {
                    tracing::warn!(lock, "a lock was left by a run that was lost; breaking it");
                    terraform.unlock(lock).await?;
                }
                _ => return Err(ended),
            }
            self.stop.unless(tokio::time::sleep(wait)).await.map_err(lost)?;
            wait *= 2;
        }
        change().await
    }

    /// What the row asks for now; none: it is in another turn.
    async fn read(&self) -> Result<Option<(EnclaveRequest, MeasuredImage)>, pipeline::Error> {
        let Turn { id, generation } = self.turn();
        let pipeline = &self.deployment.pipeline;
        let Some(row) = pipeline.current(id, *generation, &DEPLOYING).await? else {
            return Ok(None);
        };
        let measured = self.deployment.turns.get(id).await?.measured.ok_or_else(|| {
            pipeline::Error::Final("the image is not measured: the measure step comes first".into())
        })?;
        Ok(Some((request(pipeline, &row)?, measured)))
    }

    /// How many zones there are to choose from.
    fn zones(&self) -> usize {
        let subnets = self
            .settings
            .variables
            .get("subnet_ids")
            .and_then(Value::as_array);
        subnets.map_or(1, |subnets| subnets.len().max(1))
    }

    /// Gives the row's host back, and forgets its state.
    pub(super) async fn destroy(&self) -> Result<(), Error> {
        let Some(lease) = self.lease().await? else {
            return Ok(());
        };
        let done = self.take_down_and_note().await;
        lease.release().await;
        done
    }

    async fn take_down_and_note(&self) -> Result<(), Error> {
        match self.take_down().await {
            Ok(()) => {}
            Err(Ended::Failed(failure)) => return Err(Error::Left(failure.reason)),
            Err(Ended::Lost(error)) => return Err(error),
        }
        let Turn { id, generation } = self.turn();
        tracing::info!(%id, generation, "the host is given back");
        match self.deployment.turns.given_back(id, *generation).await? {
            Noted::Yes => Ok(()),
            Noted::Superseded => self.superseded(),
        }
    }

    async fn take_down(&self) -> Run<()> {
        let terraform = Terraform::open(&self.settings, self.stop.clone()).await?;
        let variables = variables::of_nothing(&self.settings.variables, &self.turn().id);
        self.persistently(&terraform, || terraform.destroy(&variables))
            .await?;
        let uri = format!(
            "s3://{}/{}",
            self.settings.state_bucket,
            variables::state_key(&self.turn().id)
        );
        let connection = self.deployment.settings.connection();
        store::objects::remove(&uri, &connection).await.map_err(lost)
    }

    /// Measures the row's image, however large it is.
    pub(super) async fn measure(&self) -> Result<(), Error> {
        let Turn { id, generation } = self.turn();
        let measuring = self.deployment.note_measured(id, *generation);
        match self.stop.unless(measuring).await? {
            Ok(step) => {
                tracing::info!(%id, generation, ?step, "measured");
                Ok(())
            }
            Err(error) => {
                let noted = self
                    .deployment
                    .turns
                    .failed(id, *generation, &error.to_string())
                    .await?;
                tracing::debug!(?noted);
                Err(error.into())
            }
        }
    }

    async fn lease(&self) -> Result<Option<Lease>, Error> {
        let Turn { id, generation } = self.turn();
        let owner = owner()?;
        let lease = Lease::take(
            &self.deployment.turns,
            id,
            *generation,
            owner,
            self.settings.lease,
            &self.stop,
        )
        .await?;
        if lease.is_none() {
            self.superseded()?;
        }
        Ok(lease)
    }

    fn superseded(&self) -> Result<(), Error> {
        let Turn { id, generation } = self.turn();
        tracing::info!(%id, generation, "the row is in another turn: nothing is done");
        Ok(())
    }
}

/// The host, as the module tells of it.
fn host_of(outputs: &Map<String, Value>) -> Run<Host> {
    let text = |name: &str| outputs.get(name).and_then(Value::as_str).map(str::to_owned);
    match (text("instance_id"), text("address")) {
        (Some(instance_id), Some(address)) => Ok(Host {
            instance_id,
            address,
            daemon_version: None,
        }),
        _ => Err(ended(pipeline::Error::Final(
            "terraform/host has no outputs instance_id and address".into(),
        ))),
    }
}

/// Words that no other run has.
fn owner() -> Result<String, Error> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| pipeline::Error::Passing("the system has no random numbers to give".into()))?;
    Ok(hex::encode(bytes))
}

/// What no other try mends is the reason why there is no host; for the rest the run is lost, and the next one tries.
fn ended(error: pipeline::Error) -> Ended {
    if error.passes() {
        return lost(error);
    }
    Ended::Failed(Failure {
        kind: Kind::Final,
        reason: error.to_string(),
    })
}

fn lost(error: impl Into<Error>) -> Ended {
    Ended::Lost(error.into())
}
