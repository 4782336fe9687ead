//! What every scenario stands on: the estate, the web application as its client, a registry with an image.

use end_to_end::estate::{Behaviour, Difference, Estate, Inventory, WebApplication};
use end_to_end::{Image, Registry};
use serde_json::{Map, Value, json};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long anything may take: this is to end a scenario that hangs, and measures nothing.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long what is on its way down may take to be gone.
const CLEANING: Duration = Duration::from_secs(60);

pub(crate) struct Trip {
    pub(crate) estate: Estate,
    pub(crate) web: WebApplication,
    pub(crate) image: String,
    before: Mutex<Inventory>,
    _registry: Registry,
}

impl Trip {
    pub(crate) async fn begin() -> Self {
        let registry = Registry::start();
        let image = registry.push("served", &Image::of_application(&["serve", "8080"]));
        let estate = Estate::up().await;
        let before = inventory(&estate).await;
        Self {
            web: WebApplication::new(estate.account().clone(), Estate::PREFIX),
            estate,
            image,
            before: Mutex::new(before),
            _registry: registry,
        }
    }

    /// A row in the web application's shape, every field as the application writes it.
    pub(crate) fn row(&self, id: &str) -> Value {
        json!({
            "id": id, "name": "A name", "description": "A description", "status": "PENDING_DEPLOY",
            "region": "us-west-2", "walletAddress": "0x00000000000000000000000000000000000000ff",
            "createdAt": "2025-01-01T12:00:00.000Z", "updatedAt": "2025-01-01T12:00:00.000Z",
            "providerId": "aws-nitro",
            "providerConfig": {
                "dockerImage": self.image, "cpuCount": "2", "memoryMiB": "1024", "instanceType": "m6i.xlarge",
                "enableDebug": false, "environmentVariables": "{\"GREETING\":\"hello\"}",
                "workloadType": "service", "healthCheckPath": "/health", "healthCheckInterval": 30,
                "awsServices": ["kms"], "exposePorts": ["8080"],
            },
            "githubConnection": {"isConnected": false, "username": "someone"},
        })
    }

    /// Waits until `is` holds of the row.
    pub(crate) async fn until_row(&self, id: &str, is: impl Fn(&Value) -> bool) -> Value {
        let row = self.web.until(id, PATIENCE, is).await;
        row.unwrap_or_else(|row| panic!("still {row:#}"))
    }

    /// Waits until the row has this status. FAILED ends the wait for any other.
    pub(crate) async fn until_status(&self, id: &str, status: &str) -> Value {
        let row = self
            .until_row(id, |row| row["status"] == status || row["status"] == "FAILED")
            .await;
        assert_eq!(row["status"], status, "{row:#}");
        row
    }

    /// Waits until the row is FAILED, and answers why.
    pub(crate) async fn reason_of_failure(&self, id: &str) -> String {
        let ended = ["FAILED", "DEPLOYED"];
        let row = self
            .until_row(id, |row| ended.iter().any(|status| row["status"] == *status))
            .await;
        assert_eq!(row["status"], "FAILED", "{row:#}");
        row["statusReason"].as_str().unwrap_or_default().to_owned()
    }

    /// Deploys a row, and answers it.
    pub(crate) async fn deploy(&self, id: &str) -> Value {
        self.web.put(&self.row(id)).await;
        self.until_status(id, "DEPLOYED").await
    }

    /// Puts a row, and waits until its turn has begun.
    pub(crate) async fn deploy_begins(&self, id: &str) {
        self.web.put(&self.row(id)).await;
        self.until_status(id, "DEPLOYING").await;
    }

    /// Changes attributes of a row. `names` are those that stand as `#name` in the expression.
    pub(crate) async fn update(&self, id: &str, expression: &str, names: &[&str], values: Value) {
        let names: Map<_, _> = names
            .iter()
            .map(|name| (format!("#{name}"), json!(name)))
            .collect();
        let body = json!({
            "TableName": self.estate.table("enclaves"), "Key": {"id": {"S": id}}, "UpdateExpression": expression,
            "ExpressionAttributeNames": names, "ExpressionAttributeValues": values,
        });
        let account = self.estate.account();
        let call = account.json("dynamodb", "DynamoDB_20120810.UpdateItem", &body);
        call.await.unwrap();
    }

    /// Destroys a row.
    pub(crate) async fn destroy(&self, id: &str) {
        self.web.ask(id, "PENDING_DESTROY").await;
        self.until_status(id, "DESTROYED").await;
    }

    /// What came into the account since the estate was built.
    pub(crate) async fn new_things(&self) -> Vec<String> {
        self.difference().await.new
    }

    /// The account is as it was when the estate was built, no turn goes on, and the equipment did what it was told.
    pub(crate) async fn nothing_is_left(&self) {
        let begun = Instant::now();
        loop {
            let difference = self.difference().await;
            let running = self.running().await;
            if difference.is_none() && running.is_empty() {
                break;
            }
            assert!(
                begun.elapsed() < CLEANING,
                "left: {difference:#?}, running: {running:?}"
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        assert_eq!(self.estate.faults(), [] as [&str; 0]);
    }

    /// The names of executions that go on.
    async fn running(&self) -> Vec<Value> {
        let mut running = Vec::new();
        for machine in ["deploy", "cleanup", "pause"] {
            let all = self.web.executions(machine).await.into_iter();
            running.extend(
                all.filter(|one| one["status"] == "RUNNING")
                    .map(|mut one| one["name"].take()),
            );
        }
        running
    }

    async fn difference(&self) -> Difference {
        let now = inventory(&self.estate).await;
        self.before.lock().unwrap().until(&now)
    }

    /// After a scenario that failed: nothing of what it set up is to trouble the next one.
    pub(crate) async fn reset(&self) {
        self.estate.instances().behave(Behaviour::Boots);
        self.estate.emulated().accept().await.unwrap();
        self.estate.put_back();
        for row in self.web.rows().await {
            let id = row["id"].as_str().unwrap_or_default();
            if !["DESTROYED", "FAILED"]
                .iter()
                .any(|status| row["status"] == *status)
            {
                self.web.ask(id, "PENDING_DESTROY").await;
                let _ = self
                    .web
                    .until(id, PATIENCE, |row| row["status"] == "DESTROYED")
                    .await;
            }
        }
        let begun = Instant::now();
        while !self.running().await.is_empty() && begun.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        // What is left all the same is that scenario's, and not the next one's.
        let now = inventory(&self.estate).await;
        *self.before.lock().unwrap() = now;
    }

    /// What a scenario that failed is told of with: the programs' logs, and how executions ended.
    pub(crate) async fn logs(&self) -> String {
        let mut logs = self.estate.logs().await;
        for machine in ["deploy", "cleanup", "pause"] {
            for one in self.web.executions(machine).await {
                if one["status"] != "SUCCEEDED" {
                    let history = self.web.history(&one).await;
                    logs.push_str(&format!("{one:#}\n{history:#}\n"));
                }
            }
        }
        logs
    }

    /// Terraform takes all down: the account is empty again.
    pub(crate) async fn end(self) {
        let left = self.estate.destroy().await;
        assert!(left.is_none(), "{left:#?}");
    }
}

/// Rows, their last reports and the notes of their turns stay on record; a lease and a host do not.
async fn inventory(estate: &Estate) -> Inventory {
    let turns = estate.table("turns");
    let held = ["lease", "leaseUntil", "host", "provisioned"];
    Inventory::of(estate.account(), &[(&turns, &held)]).await.unwrap()
}
