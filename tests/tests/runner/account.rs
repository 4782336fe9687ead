//! What the runner finds: tables, a bucket.

use crate::PATIENCE;
use crate::module::Module;
use crate::run::{Ended, Run};
use contract::RecordId;
use end_to_end::estate::Emulated;
use end_to_end::programs::programs;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use store::{Connection, MeasuredImage, Noted, Tables, Turn, Turns};
use tempfile::TempDir;

/// In the runner's environment, and in the row's: no business of Terraform's.
pub(crate) const SECRET: &str = "hunter2-of-the-runner";
pub(crate) const ROW_SECRET: &str = "hunter2-of-the-row";
const REGION: &str = "us-west-2";
const BUCKET: &str = "states";

/// Tables and a bucket.
pub(crate) struct Account {
    turns: Turns,
    emulated: Emulated,
    _folder: TempDir,
}

impl Account {
    /// None, and a word, where Terraform or the emulated account is missing.
    pub(crate) async fn new() -> Option<Self> {
        if !in_path("terraform") {
            println!("skipped: there is no terraform in PATH");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let emulated = Emulated::alone(folder.path())?;
        let connection = Connection {
            endpoint: Some(emulated.account().endpoint().to_owned()),
            s3_endpoint: None,
            profile: None,
            region: REGION.into(),
        };
        let (client, tables) = (connection.dynamodb().await, Tables::default());
        store::schema::create(&client, &tables).await.unwrap();
        store::schema::create_turns(&client, &tables).await.unwrap();
        emulated.account().create_bucket(BUCKET).await.unwrap();
        Some(Self {
            turns: Turns::of(client, &tables),
            emulated,
            _folder: folder,
        })
    }

    /// A row that is DEPLOYING, measured, with a secret for its application.
    pub(crate) async fn deploying(&self, id: &str, generation: u64) {
        let text = |text: &str| json!({ "S": text });
        let config = json!({
            "dockerImage": text("127.0.0.1:5000/nginx:1"), "cpuCount": text("2"), "memoryMiB": text("1024"),
            "environmentVariables": text(&json!({"KEY": ROW_SECRET}).to_string()),
        });
        let row = json!({
            "id": text(id), "status": text("DEPLOYING"), "generation": {"N": generation.to_string()},
            "revision": {"N": "1"}, "providerConfig": {"M": config},
        });
        self.dynamodb("PutItem", json!({"TableName": "enclaves", "Item": row}))
            .await;
        let (id, measured) = (record(id), measured());
        assert_eq!(self.turns.begin(&id, generation).await.unwrap(), Noted::Yes);
        let noted = self.turns.measured(&id, generation, &measured).await.unwrap();
        assert_eq!(noted, Noted::Yes);
    }

    pub(crate) async fn status(&self, id: &str, status: &str) {
        let update = json!({
            "TableName": "enclaves", "Key": {"id": {"S": id}}, "UpdateExpression": "SET #s = :s",
            "ExpressionAttributeNames": {"#s": "status"}, "ExpressionAttributeValues": {":s": {"S": status}},
        });
        self.dynamodb("UpdateItem", update).await;
    }

    /// Whether a run has the row's host.
    pub(crate) async fn is_leased(&self, id: &str) -> bool {
        let get = json!({"TableName": "turns", "Key": {"id": {"S": id}}, "ConsistentRead": true});
        let found = self.dynamodb("GetItem", get).await;
        found["Item"].get("lease").is_some()
    }

    /// Lets every note of a host fail.
    pub(crate) async fn refuse_the_note_of_a_host(&self) {
        self.emulated.refuse(&note_of_a_host()).await.unwrap();
    }

    /// Waits until one has failed.
    pub(crate) async fn until_refused(&self) {
        let begun = Instant::now();
        while self.emulated.refused().await.unwrap() == note_of_a_host() {
            assert!(begun.elapsed() < PATIENCE, "no host is noted");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lets all succeed again.
    pub(crate) async fn accept(&self) {
        self.emulated.accept().await.unwrap();
    }

    pub(crate) async fn turn(&self, id: &str) -> Turn {
        self.turns.get(&record(id)).await.unwrap()
    }

    /// The objects in the bucket: states and locks.
    pub(crate) async fn states(&self) -> Vec<String> {
        let path = format!("/{BUCKET}?list-type=2");
        let listed = self.emulated.account().get_xml("s3", &path).await.unwrap();
        listed.texts("Key")
    }

    pub(crate) async fn run(&self, command: &str, id: &str, generation: u64, module: &Module) -> Ended {
        self.start(command, id, generation, module).ended().await
    }

    /// The runner, as its container starts it.
    pub(crate) fn start(&self, command: &str, id: &str, generation: u64, module: &Module) -> Run {
        self.start_with(command, id, generation, module, &[])
    }

    /// The same, with other words in its environment.
    pub(crate) fn start_with(
        &self,
        command: &str,
        id: &str,
        generation: u64,
        module: &Module,
        more: &[(&str, &str)],
    ) -> Run {
        let turn = json!({"id": id, "generation": generation}).to_string();
        let variables = json!({"environment": "test", "subnet_ids": ["subnet-a", "subnet-b"]}).to_string();
        let digest = format!("sha256:{}", "b".repeat(64));
        let path = std::env::var("PATH").unwrap();
        let work = module.file("work");
        let mut environment = BTreeMap::from([
            ("PATH", path.as_str()),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.emulated.account().endpoint()),
            ("AWS_ENDPOINT_URL_S3", self.emulated.account().endpoint()),
            ("TREZA_ENVIRONMENT", "test"),
            ("TREZA_ROWS_TABLE", "enclaves"),
            ("TREZA_REPORTS_TABLE", "reports"),
            ("TREZA_TURNS_TABLE", "turns"),
            ("TREZA_BUNDLES_URI", "s3://artifacts/bundles/"),
            ("TREZA_BUNDLES", &digest),
            ("TREZA_TURN", &turn),
            ("TREZA_STATE_BUCKET", BUCKET),
            ("TREZA_HOST_MODULE", module.terraform.to_str().unwrap()),
            ("TREZA_HOST_VARIABLES", &variables),
            ("TREZA_WORK_DIR", work.to_str().unwrap()),
            ("TREZA_LEASE_SECONDS", "4"),
            ("SECRET", SECRET),
        ]);
        environment.extend(more.iter().copied());
        Run::start(&programs().join("treza-runner"), command, &environment)
    }

    async fn dynamodb(&self, operation: &str, body: Value) -> Value {
        let target = format!("DynamoDB_20120810.{operation}");
        let account = self.emulated.account();
        account.json("dynamodb", &target, &body).await.unwrap()
    }
}

/// The refusal of `Turns::host`.
fn note_of_a_host() -> Value {
    json!([{
        "action": "UpdateItem", "containing": "#host = :value", "code": "InternalServerError", "status": 500,
        "times": 1_000_000,
    }])
}

fn record(id: &str) -> RecordId {
    RecordId::parse(id).unwrap()
}

fn measured() -> MeasuredImage {
    MeasuredImage {
        image_digest: format!("sha256:{}", "a".repeat(64)),
        bundle: format!("sha256:{}", "b".repeat(64)),
        pcrs: BTreeMap::from([("0".into(), "00".repeat(48))]),
        eif_bytes: 1 << 20,
    }
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
