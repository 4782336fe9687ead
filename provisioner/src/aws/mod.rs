//! The pipeline's parts in AWS: what its programs are told ([`settings`]), its [`images`], the [`instances`] that can
//! hold an enclave and the [`hosts`] that were made of them, the [`executions`] of its state machines, the [`notifier`],
//! its [`metrics`].

pub mod executions;
pub mod hosts;
pub mod images;
pub mod instances;
pub mod metrics;
pub mod notifier;
pub mod settings;

use crate::measure;
use crate::pipeline::{Error, Pipeline, Step};
use crate::ports::SystemClock;
use contract::RecordId;
use hosts::MadeHosts;
use images::RemoteImages;
use notifier::Topic;
use settings::Settings;
use std::sync::Arc;
use store::{Noted, Reports, Rows, Turns};

/// The pipeline over AWS's services, and what only its programs there need.
#[derive(Clone)]
pub struct Deployment {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// What its programs leave for one another.
    pub turns: Turns,
    /// The images, which may be too large for a function.
    pub images: Arc<RemoteImages>,
    /// What it was told.
    pub settings: Arc<Settings>,
}

impl Deployment {
    /// Puts it together. Nothing is asked of any service yet.
    ///
    /// # Errors
    /// [`Error::Final`] if the folder for images cannot be made.
    pub async fn new(settings: Settings) -> Result<Self, Error> {
        let connection = settings.connection();
        let sdk = connection.sdk_config().await;
        let client = connection.dynamodb().await;
        let turns = Turns::of(client.clone(), &settings.tables);
        let images = Arc::new(RemoteImages::new(&settings)?);
        let pipeline = Pipeline {
            rows: Rows::new(client.clone(), &settings.tables.rows),
            reports: Reports::new(client, &settings.tables.reports),
            images: images.clone(),
            hosts: Arc::new(MadeHosts::new(turns.clone())),
            notifier: Arc::new(Topic::new(&sdk, &settings)),
            clock: Arc::new(SystemClock),
            roots: settings.roots.clone(),
            region: settings.region.clone(),
            patience: settings.patience,
        };
        Ok(Self {
            pipeline,
            turns,
            images,
            settings: Arc::new(settings),
        })
    }

    /// Measures the row's image, and notes what it measures to for the steps that follow.
    ///
    /// # Errors
    /// Those of [`measure::measure`].
    pub async fn note_measured(&self, id: &RecordId, generation: u64) -> Result<Step, Error> {
        let Some(measured) = measure::measure(&self.pipeline, id, generation).await? else {
            return Ok(Step::Superseded);
        };
        let noted = self.turns.measured(id, generation, &measured.into()).await?;
        Ok(match noted {
            Noted::Yes => Step::Done,
            Noted::Superseded => Step::Superseded,
        })
    }
}
