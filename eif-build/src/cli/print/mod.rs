//! What is printed: JSON of nitro-cli's shapes where nitro-cli has one, and text for people.
mod eif;
mod kept;

pub(super) use eif::{differences, extracted, inspection, verified};
pub(super) use kept::{bundle, bundles, cached, named, pruned, removed};

use std::io::{ErrorKind, Write, stdout};

use eif_build::{Error, Measurement, eif::Pcrs};
use serde_json::{Value, json};

use super::arguments::Json;

/// A result in each form.
pub(super) struct Printed {
    json: Value,
    /// What nitro-cli prints for such a command, if it has one.
    nitro_cli: Option<Value>,
    text: String,
}

impl Printed {
    fn new(json: Value, text: String) -> Self {
        Self {
            json,
            nitro_cli: None,
            text,
        }
    }

    /// Prints it on standard output. Who listens no more has heard enough.
    pub(super) fn show(&self, shape: Option<Json>) -> Result<(), Error> {
        let mut output = stdout().lock();
        let printed = match (shape, &self.nitro_cli) {
            (None, _) => write!(output, "{}", self.text),
            (Some(Json::NitroCli), Some(json)) => writeln!(output, "{json:#}"),
            (Some(_), _) => writeln!(output, "{:#}", self.json),
        };
        match printed.and_then(|()| output.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::File {
                path: "standard output".into(),
                source: error,
            }),
            _ => Ok(()),
        }
    }
}

/// Registers as nitro-cli prints them.
pub(super) fn measurements(pcrs: &Pcrs) -> Printed {
    let json = json!({ "Measurements": pcrs.to_nitro_cli() });
    Printed {
        nitro_cli: Some(json.clone()),
        json,
        text: table(pcrs),
    }
}

/// What was built or measured.
pub(super) fn measurement(measurement: &Measurement) -> Printed {
    let Measurement {
        image_digest,
        bundle,
        pcrs,
        size,
        ..
    } = measurement;
    let json = json!({
        "Measurements": pcrs.to_nitro_cli(), "ImageDigest": image_digest, "Bundle": bundle, "Size": size,
    });
    let text = format!(
        "image   {image_digest}\nbundle  {bundle}\nsize    {size}\n{}",
        table(pcrs)
    );
    Printed {
        json,
        text,
        ..measurements(pcrs)
    }
}

fn table(pcrs: &Pcrs) -> String {
    let Pcrs {
        pcr0,
        pcr1,
        pcr2,
        pcr8,
    } = pcrs;
    let signed = pcr8.map(|pcr8| format!("PCR8    {pcr8}\n")).unwrap_or_default();
    format!("PCR0    {pcr0}\nPCR1    {pcr1}\nPCR2    {pcr2}\n{signed}")
}
