//! `treza deploy`: a row that asks for an enclave, checked as the pipeline will check it, and written.

use super::session::{self, Session};
use super::wait::Wait;
use super::{Error, Global};
use clap::Args;
use contract::fault::Fault;
use contract::item::{self, AttributeValue, Item};
use contract::request::{EnclaveRequest, least_memory_mib};
use contract::row::attribute;
use contract::{RecordId, Status};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use store::Outcome;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The most bytes of a row: DynamoDB's own bound.
const MAX_ROW: u64 = 400 * 1024;

#[derive(Debug, Args)]
pub(super) struct Deploy {
    /// The image: registry/name:tag or registry/name@sha256:…
    #[arg(long, value_name = "REF", required_unless_present = "file")]
    image: Option<String>,
    /// A whole row, in plain or in DynamoDB's JSON, instead
    #[arg(long, value_name = "ROW.json", conflicts_with = "image")]
    file: Option<PathBuf>,
    /// The row's id [default: enc- and a random number]
    #[arg(long, value_parser = session::id)]
    id: Option<RecordId>,
    #[command(flatten)]
    enclave: Enclave,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, Args)]
#[group(conflicts_with = "file", multiple = true)]
struct Enclave {
    /// CPUs: 2, 4, 8 or 16
    #[arg(long, value_name = "N", default_value_t = 2)]
    cpu: u64,
    /// Memory [default: 1024, or 512 for each CPU]
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,
    /// A variable for the application; may be given again
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// A TCP port of the application; may be given again [default: those that the image exposes]
    #[arg(long, value_name = "N")]
    port: Vec<u16>,
    /// Where the application answers an HTTP GET while it is healthy
    #[arg(long, value_name = "PATH")]
    health_path: Option<String>,
    /// Debug mode: nothing is proven about the image
    #[arg(long)]
    debug: bool,
    /// The application ends, and exit 0 is success
    #[arg(long)]
    batch: bool,
}

impl Deploy {
    pub(super) async fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let session = Session::open(global).await?;
        let (id, item) = self.row(&session.region)?;
        EnclaveRequest::read(&item, &session.region)?;
        if session.rows.create(&item).await? == Outcome::Lost {
            return Err(Error::CouldNot(format!(
                "row {id} is there and has not ended: `treza destroy {id}` first, or choose another --id"
            )));
        }
        self.wait.after(&session, &id, global.json).await
    }

    fn row(&self, region: &str) -> Result<(RecordId, Item), Error> {
        let item = match &self.file {
            Some(path) => read(path)?,
            None => Item::default(),
        };
        let mut row = item.into_inner();
        let given = match row.get(attribute::ID) {
            Some(AttributeValue::S(text)) => {
                Some(RecordId::parse(text).map_err(|error| Error::Refused(error.to_string()))?)
            }
            _ => None,
        };
        let id = match self.id.clone().or(given) {
            Some(id) => id,
            None => random_id()?,
        };
        if self.file.is_none() {
            row = self
                .enclave
                .row(self.image.as_deref().unwrap_or_default(), &id, region)?;
        }
        row.insert(attribute::ID.into(), AttributeValue::S(id.to_string()));
        let asks = AttributeValue::S(Status::PendingDeploy.to_string());
        if row
            .insert(attribute::STATUS.into(), asks.clone())
            .is_some_and(|status| status != asks)
        {
            let fault = Fault::new(
                attribute::STATUS,
                format!("must be {} in a row to deploy", Status::PendingDeploy),
            );
            return Err(vec![fault].into());
        }
        Ok((id, Item::from(row)))
    }
}

impl Enclave {
    /// The row in the web application's shape.
    fn row(
        &self,
        image: &str,
        id: &RecordId,
        region: &str,
    ) -> Result<std::collections::HashMap<String, AttributeValue>, Error> {
        let variables: Map<String, Value> = self
            .env
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        let ports: Vec<_> = self.port.iter().map(u16::to_string).collect();
        let memory = self.memory.unwrap_or_else(|| least_memory_mib(self.cpu));
        let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        let mut config = json!({
            "dockerImage": image,
            "cpuCount": self.cpu.to_string(),
            "memoryMiB": memory.to_string(),
            "enableDebug": self.debug,
            "environmentVariables": Value::Object(variables).to_string(),
            "workloadType": if self.batch { "batch" } else { "service" },
            "exposePorts": ports,
        });
        if let Some(path) = &self.health_path {
            config["healthCheckPath"] = json!(path);
        }
        let row = json!({
            "name": id.as_str(),
            "region": region,
            "providerId": "aws-nitro",
            "createdAt": now,
            "updatedAt": now,
            "providerConfig": config,
        });
        let item = item::read(&row.to_string()).map_err(|fault| Error::from(vec![fault]))?;
        Ok(item.into_inner())
    }
}

fn read(path: &Path) -> Result<Item, Error> {
    let said =
        |problem: String| Error::CouldNot(format!("cannot read the row {}: {problem}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| said(error.to_string()))?;
    let mut text = String::new();
    let read = std::io::Read::read_to_string(&mut std::io::Read::take(file, MAX_ROW + 1), &mut text);
    if read.map_err(|error| said(error.to_string()))? as u64 > MAX_ROW {
        return Err(Error::Refused(format!(
            "the row {} is larger than {MAX_ROW} bytes",
            path.display()
        )));
    }
    item::read(&text).map_err(|fault| vec![fault].into())
}

fn random_id() -> Result<RecordId, Error> {
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|_| Error::CouldNot("the system has no random numbers to give".into()))?;
    RecordId::parse(&format!("enc-{}", hex::encode(random)))
        .map_err(|error| Error::CouldNot(error.to_string()))
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("is not NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use contract::request::Source;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        deploy: Deploy,
    }

    fn row(words: &[&str]) -> Result<EnclaveRequest, Error> {
        let line = Line::try_parse_from([&["deploy"], words].concat()).unwrap();
        let (_, item) = line.deploy.row("us-west-2")?;
        assert_eq!(
            item.get("status"),
            Some(&AttributeValue::S("PENDING_DEPLOY".into()))
        );
        Ok(EnclaveRequest::read(&item, "us-west-2")?)
    }

    #[test]
    fn every_option_reaches_the_request() {
        let request = row(&[
            "--image",
            "127.0.0.1:5000/nginx:1",
            "--id",
            "a",
            "--cpu",
            "4",
            "--env",
            "A=b=c",
            "--env",
            "B=",
            "--port",
            "80",
            "--port",
            "443",
            "--health-path",
            "/health",
            "--debug",
            "--batch",
        ])
        .unwrap();
        assert_eq!(request.source, Source::Image("127.0.0.1:5000/nginx:1".into()));
        assert_eq!((request.cpus, request.memory_mib), (4, 2048));
        assert_eq!(request.environment.len(), 2);
        assert_eq!(request.environment[0].value, "b=c");
        assert_eq!(request.ports, [80, 443]);
        assert_eq!(request.probe.unwrap().path, "/health");
        assert!(request.debug);
        assert_eq!(request.workload, contract::launch::Workload::Batch);
        assert!(request.unknown_fields.is_empty(), "{:?}", request.unknown_fields);
    }

    #[test]
    fn a_row_from_a_file_deploys_in_both_shapes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("row.json");
        let plain =
            r#"{"id": "x", "configuration": {"cpu_count": 2, "memory_mib": 512, "eif_path": "s3://b/k"}}"#;
        std::fs::write(&path, plain).unwrap();
        let file = path.to_str().unwrap();
        assert_eq!(row(&["--file", file]).unwrap().memory_mib, 512);
        std::fs::write(
            &path,
            plain.replace(r#""id": "x""#, r#""id": "x", "status": "DEPLOYED""#),
        )
        .unwrap();
        assert!(matches!(row(&["--file", file]), Err(Error::Refused(_))));
        std::fs::write(&path, plain.replace("\"x\"", "\"../x\"")).unwrap();
        assert!(matches!(row(&["--file", file]), Err(Error::Refused(_))));
    }

    #[test]
    fn what_the_pipeline_would_refuse_is_refused_at_once() {
        let error = row(&["--image", "nginx", "--cpu", "3", "--memory", "12"]).unwrap_err();
        assert!(
            matches!(&error, Error::Refused(text) if text.contains("cpuCount") && text.contains("memoryMiB")),
            "{error}"
        );
        let error = row(&["--image", "UPPER/CASE"]).unwrap_err();
        assert!(
            matches!(&error, Error::Refused(text) if text.contains("UPPER/CASE") && text.contains("registry/name:tag")),
            "{error}"
        );
    }

    #[test]
    fn memory_that_was_not_asked_for_is_not_complained_of() {
        for cpu in ["0", "3", "17", "1000000"] {
            let error = row(&["--image", "nginx", "--cpu", cpu]).unwrap_err();
            assert!(
                matches!(&error, Error::Refused(text) if text.contains("cpuCount") && !text.contains("memoryMiB")),
                "{cpu}: {error}"
            );
        }
        for (cpu, memory) in [("2", 1024), ("4", 2048), ("8", 4096), ("16", 8192)] {
            assert_eq!(
                row(&["--image", "nginx", "--cpu", cpu]).unwrap().memory_mib,
                memory
            );
        }
    }
}
