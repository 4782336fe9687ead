//! A pipeline over a real database in memory, and hosts whose enclaves have development secure modules.

mod host;

pub use host::{Enclave, Launch, healthy, now_ms, report};

use attestation::Root;
use contract::item::{self, AttributeValue, Item};
use contract::report::Report;
use contract::request::{EnclaveRequest, Source};
use contract::row::{Host, Row};
use contract::stream::Record;
use contract::{Fault, RecordId};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nsm::development::Authority;
use provisioner::local::database::Served;
use provisioner::local::streams::Stream;
use provisioner::pipeline::{Error, Pipeline};
use provisioner::ports::{Clock, Hosts, Images, Measured, Notifier};
use provisioner::verify::{self, Verdict};
use provisioner::workflow::{self, Execution};
use provisioner::{trigger, validate};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};
use store::{Connection, Reports, Rows, Tables};

pub const INSTANCE: &str = "i-0123456789abcdef0";
pub const REGION: &str = "us-west-2";

/// One CA for all tests; its directory is not needed once it is open.
pub static AUTHORITY: LazyLock<Arc<Authority>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    Arc::new(Authority::open(folder.path()).unwrap())
});

pub fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

pub fn image() -> Measured {
    Measured {
        image_digest: digest('a'),
        bundle: digest('b'),
        pcrs: BTreeMap::from([(0, [0x10; 48]), (1, [0x11; 48]), (2, [0x12; 48])]),
        eif_bytes: 20 << 20,
    }
}

/// Called in the middle of a port's work.
pub type Hook = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Images that are measured at once; `Err` once for each of `faults`.
pub struct Registry {
    pub measured: Mutex<Measured>,
    pub faults: Mutex<Vec<Error>>,
    pub asked: Mutex<u32>,
    pub hook: Mutex<Option<Hook>>,
}

impl Images for Registry {
    fn measure<'a>(&'a self, _: &'a Source) -> BoxFuture<'a, Result<Measured, Error>> {
        async {
            *self.asked.lock().unwrap() += 1;
            run(&self.hook).await;
            match self.faults.lock().unwrap().pop() {
                Some(fault) => Err(fault),
                None => Ok(self.measured.lock().unwrap().clone()),
            }
        }
        .boxed()
    }
}

#[derive(Default)]
pub struct OneHost {
    pub hook: Mutex<Option<Hook>>,
    pub dedicated: AtomicBool,
    pub latest_turn: AtomicU64,
}

impl Hosts for OneHost {
    fn check(&self, _: &EnclaveRequest) -> Result<(), Fault> {
        Ok(())
    }

    fn latest_turn<'a>(&'a self, _: &'a RecordId) -> BoxFuture<'a, Result<u64, Error>> {
        async { Ok(self.latest_turn.load(Ordering::Relaxed)) }.boxed()
    }

    fn are_dedicated(&self) -> bool {
        self.dedicated.load(Ordering::Relaxed)
    }

    fn provide<'a>(&'a self, _: &'a RecordId, _: u64) -> BoxFuture<'a, Result<Host, Error>> {
        async {
            run(&self.hook).await;
            Ok(Host {
                instance_id: INSTANCE.into(),
                address: "127.0.0.1".into(),
                daemon_version: None,
            })
        }
        .boxed()
    }
}

async fn run(hook: &Mutex<Option<Hook>>) {
    let hook = hook.lock().unwrap().take();
    if let Some(hook) = hook {
        hook().await;
    }
}

/// The machine's clock, set forward.
#[derive(Default)]
pub struct Ahead(Mutex<Duration>);

impl Ahead {
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }

    /// Milliseconds since the epoch.
    pub fn now_ms(&self) -> u64 {
        now_ms() + self.0.lock().unwrap().as_millis() as u64
    }
}

impl Clock for Ahead {
    fn now(&self) -> SystemTime {
        SystemTime::now() + *self.0.lock().unwrap()
    }
}

#[derive(Default)]
pub struct Told(pub Mutex<Vec<(String, String)>>);

impl Notifier for Told {
    fn failed<'a>(&'a self, id: &'a str, reason: &'a str) -> BoxFuture<'a, ()> {
        self.0.lock().unwrap().push((id.into(), reason.into()));
        std::future::ready(()).boxed()
    }
}

pub struct World {
    pub served: Served,
    pub client: aws_sdk_dynamodb::Client,
    pub pipeline: Pipeline,
    pub clock: Arc<Ahead>,
    pub told: Arc<Told>,
    pub registry: Arc<Registry>,
    pub hosts: Arc<OneHost>,
    pub folder: tempfile::TempDir,
    stream: Mutex<Stream>,
}

impl World {
    pub async fn new() -> Self {
        let served = Served::start(None, 0).await.unwrap();
        let connection = Connection {
            endpoint: Some(served.endpoint.clone()),
            s3_endpoint: None,
            profile: None,
            region: REGION.into(),
        };
        let (client, tables) = (connection.dynamodb().await, Tables::default());
        store::schema::create(&client, &tables).await.unwrap();
        let clock = Arc::<Ahead>::default();
        let told = Arc::<Told>::default();
        let hosts = Arc::<OneHost>::default();
        let registry = Arc::new(Registry {
            measured: Mutex::new(image()),
            faults: Mutex::default(),
            asked: Mutex::default(),
            hook: Mutex::default(),
        });
        let pipeline = Pipeline {
            rows: Rows::new(client.clone(), &tables.rows),
            reports: Reports::new(client.clone(), &tables.reports),
            images: registry.clone(),
            hosts: hosts.clone(),
            notifier: told.clone(),
            clock: clock.clone(),
            roots: vec![
                Root::aws_nitro(),
                Root::from_der(AUTHORITY.certificate()).unwrap(),
            ],
            region: REGION.into(),
            patience: Duration::from_secs(10 * 60),
        };
        let folder = tempfile::tempdir().unwrap();
        let stream = Stream::open(served.database.clone(), &tables.rows, folder.path().join("rows")).unwrap();
        Self {
            served,
            client,
            pipeline,
            clock,
            told,
            registry,
            hosts,
            folder,
            stream: Mutex::new(stream),
        }
    }

    /// Writes a whole item, as any client with an SDK would.
    pub async fn put(&self, item: Item) {
        let call = self
            .client
            .put_item()
            .table_name("enclaves")
            .set_item(Some(item.into()));
        call.send().await.unwrap();
    }

    /// Changes attributes, as any client with an SDK would: a JSON object of them.
    pub async fn set(&self, id: &str, attributes: &str) {
        let mut item = self.item(id).await.into_inner();
        item.extend(item::read(attributes).unwrap().into_inner());
        self.put(Item::from(item)).await;
    }

    /// Sets back since when the row's challenge is.
    pub async fn age_challenge(&self, id: &str, by: Duration) {
        let mut row = item::to_plain_json(&self.item(id).await);
        let Some(since) = row
            .pointer("/expected/challengeSince")
            .and_then(|since| since.as_u64())
        else {
            return;
        };
        let mut expected = row["expected"].take();
        expected["challengeSince"] = (since - by.as_millis() as u64).into();
        let changed = serde_json::json!({ "expected": expected });
        self.set(id, &changed.to_string()).await;
    }

    /// Sets back since when the row's status is.
    pub async fn age_status(&self, id: &str, by: Duration) {
        if let Some(since) = self.row(id).await.status_since {
            let changed = serde_json::json!({ "statusSince": since - by.as_millis() as u64 });
            self.set(id, &changed.to_string()).await;
        }
    }

    /// Asks for something, as the web application does: one attribute, whatever else changes meanwhile.
    pub async fn set_status(&self, id: &str, status: &str) {
        use aws_sdk_dynamodb::types::AttributeValue as Value;
        let call = self
            .client
            .update_item()
            .table_name("enclaves")
            .key("id", Value::S(id.into()));
        let call = call
            .update_expression("SET #s = :s")
            .expression_attribute_names("#s", "status");
        call.expression_attribute_values(":s", Value::S(status.into()))
            .send()
            .await
            .unwrap();
    }

    pub async fn item(&self, id: &str) -> Item {
        let key = aws_sdk_dynamodb::types::AttributeValue::S(id.into());
        let call = self
            .client
            .get_item()
            .table_name("enclaves")
            .key("id", key)
            .consistent_read(true);
        Item::from(call.send().await.unwrap().item.unwrap_or_default())
    }

    pub async fn row(&self, id: &str) -> Row {
        Row::read(self.item(id).await).unwrap()
    }

    pub async fn status(&self, id: &str) -> String {
        text(&self.item(id).await, "status")
    }

    pub async fn reason(&self, id: &str) -> String {
        text(&self.item(id).await, "statusReason")
    }

    /// The new records of the rows' stream.
    pub fn records(&self) -> Vec<Record> {
        let mut stream = self.stream.lock().unwrap();
        let mut all = Vec::new();
        loop {
            let records = stream.read().unwrap();
            let Some(last) = records.last() else { return all };
            stream.done(&last.sequence).unwrap();
            all.extend(records);
        }
    }

    /// Hands the new records to the trigger; the executions that it asks for.
    pub async fn triggered(&self) -> Vec<Execution> {
        let mut executions = Vec::new();
        for record in self.records() {
            executions.extend(trigger::handle(&self.pipeline, &record).await.unwrap());
        }
        executions
    }

    /// Hands the new records to the trigger and runs what it asks for.
    pub async fn turn(&self) {
        for execution in self.triggered().await {
            workflow::run(&self.pipeline, &execution).await;
        }
    }

    /// A row taken as far as its assignment.
    pub async fn assigned(&self, id: &str) -> Row {
        self.put(web_row(id)).await;
        self.turn().await;
        let row = self.row(id).await;
        assert!(row.current_expectation().is_some(), "{row:?}");
        row
    }

    /// A row taken to DEPLOYED, and its enclave.
    pub async fn deployed(&self, id: &str) -> Enclave {
        let mut enclave = Enclave::launch(&self.assigned(id).await);
        assert_eq!(self.report(enclave.report(healthy())).await, Verdict::Taken);
        assert_eq!(self.status(id).await, "DEPLOYED");
        enclave
    }

    /// Puts a report where hosts do, and hands it to the pipeline.
    pub async fn report(&self, report: Report) -> Verdict {
        self.pipeline.reports.put(&report).await.unwrap();
        verify::verify(&self.pipeline, report.to_item().unwrap())
            .await
            .unwrap()
    }

    pub async fn validated(&self, execution: &Execution) {
        let step = validate::validate(&self.pipeline, &execution.id, execution.generation).await;
        assert_eq!(step.unwrap(), provisioner::pipeline::Step::Done);
    }
}

pub fn web_row(id: &str) -> Item {
    item::read(
        &serde_json::json!({
            "id": id, "name": "n", "status": "PENDING_DEPLOY", "region": REGION, "providerId": "aws-nitro",
            "providerConfig": {"dockerImage": "127.0.0.1:5000/nginx:1", "cpuCount": "2", "memoryMiB": "1024",
              "instanceType": "m6i.xlarge", "enableDebug": false, "environmentVariables": "{\"A\":\"b\"}",
              "workloadType": "service", "exposePorts": ["80"]},
        })
        .to_string(),
    )
    .unwrap()
}

/// The same row with other fields in `providerConfig`.
pub fn web_row_with(id: &str, config: &[(&str, AttributeValue)]) -> Item {
    let mut row = web_row(id).into_inner();
    if let Some(AttributeValue::M(map)) = row.get_mut("providerConfig") {
        map.extend(
            config
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
    }
    Item::from(row)
}

pub fn text(item: &Item, name: &str) -> String {
    match item.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        _ => String::new(),
    }
}

pub fn id(text: &str) -> RecordId {
    RecordId::parse(text).unwrap()
}
