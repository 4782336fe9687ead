//! A local pipeline, and a client of it.

use crate::processes::{self, Process};
use crate::programs::{Answer, program};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contract::RecordId;
use contract::item::{self, Item};
use contract::report::Report;
use contract::statement::Statement;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::{Connection, Reports, Rows};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long anything may take: this is to end a test that hangs, and measures nothing.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// A local pipeline with a state directory of its own. It ends when it is dropped, and must leave no process.
#[derive(Debug)]
pub struct Local {
    folder: TempDir,
    runtime: Runtime,
    connection: Connection,
    rows: Rows,
    reports: Reports,
    /// The development root, for `--trust-root`.
    pub root: PathBuf,
}

impl Local {
    /// Brings one up.
    pub fn up() -> Self {
        Self::up_with(&[])
    }

    /// Brings one up with more options of `treza local up`.
    pub fn up_with(options: &[&str]) -> Self {
        Self::up_in(
            tempfile::Builder::new().prefix("treza-e2e.").tempdir().unwrap(),
            options,
        )
    }

    /// Brings one up whose state is in `folder`.
    pub fn up_in(folder: TempDir, options: &[&str]) -> Self {
        let words = ["local", "up", "--json", "--dynamodb-port", "0"];
        let answer = Answer::of(treza(folder.path()).args(words).args(options))
            .good()
            .json();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let connection = Connection {
            endpoint: Some(text("endpoint")),
            s3_endpoint: None,
            profile: None,
            region: text("region"),
        };
        let client = runtime.block_on(connection.dynamodb());
        Self {
            rows: Rows::new(client.clone(), text("rows")),
            reports: Reports::new(client, text("reports")),
            root: text("developmentRoot").into(),
            connection,
            folder,
            runtime,
        }
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        state(self.folder.path())
    }

    /// A folder for the test's own files, beside the state.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `treza` with these words, for this pipeline.
    pub fn treza(&self, words: &[&str]) -> Answer {
        Answer::of(treza(self.folder.path()).args(words))
    }

    /// Puts a row into the table, as an SDK's client does: unread by anything of ours.
    pub fn put(&self, row: &Value) {
        self.put_into("enclaves", row);
    }

    /// Puts an item into the table of reports, as whoever has a host's rights can.
    pub fn put_report_item(&self, report: &Value) {
        self.put_into("reports", report);
    }

    /// Puts a report, as whoever has a host's rights can.
    pub fn put_report(&self, report: &Report) {
        self.runtime.block_on(self.reports.put(report)).unwrap();
    }

    /// Sets a row's status and nothing else, as the web application does.
    pub fn ask(&self, id: &str, status: &str) {
        let (key, values) = (read(&json!({ "id": id })), read(&json!({ ":s": status })));
        self.runtime.block_on(async {
            let client = self.connection.dynamodb().await;
            client
                .update_item()
                .table_name("enclaves")
                .set_key(Some(key.into()))
                .update_expression("SET #status = :s")
                .expression_attribute_names("#status", "status")
                .set_expression_attribute_values(Some(values.into()))
                .send()
                .await
                .unwrap();
        });
    }

    /// A row as it stands, in plain JSON; null: there is none.
    pub fn row(&self, id: &str) -> Value {
        let id = RecordId::parse(id).unwrap();
        let found = self.runtime.block_on(self.rows.get(&id)).unwrap();
        found.map_or(Value::Null, |item| item::to_plain_json(&item))
    }

    /// Every row, those with ids that are none too.
    pub fn rows(&self) -> Vec<Value> {
        let rows = self.runtime.block_on(self.rows.all()).unwrap();
        rows.iter().map(item::to_plain_json).collect()
    }

    /// The host's last report on a row.
    pub fn report(&self, id: &str) -> Option<Report> {
        let id = RecordId::parse(id).unwrap();
        let found = self.runtime.block_on(self.reports.get(&id)).unwrap();
        found.and_then(|item| Report::read(item).ok())
    }

    /// Waits until `is` holds of the row, and answers it.
    pub fn until(&self, id: &str, is: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let row = self.row(id);
            if is(&row) {
                return row;
            }
            assert!(begun.elapsed() < PATIENCE, "still {row:#}\n{}", self.logs());
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until a row has this status. FAILED ends the wait for any other.
    pub fn until_status(&self, id: &str, status: &str) -> Value {
        let row = self.until(id, |row| row["status"] == status || row["status"] == "FAILED");
        assert_eq!(row["status"], status, "{row:#}\n{}", self.logs());
        row
    }

    /// Waits until a row is FAILED, and answers why.
    pub fn reason_of_failure(&self, id: &str) -> String {
        let row = self.until(id, |row| row["status"] == "FAILED" || row["status"] == "DEPLOYED");
        assert_eq!(row["status"], "FAILED", "{row:#}");
        row["statusReason"].as_str().unwrap_or_default().to_owned()
    }

    /// The processes of this pipeline whose command line holds `word`.
    pub fn processes(&self, word: &str) -> Vec<Process> {
        let mut all = processes::naming(self.folder.path());
        all.retain(|process| process.line.contains(word));
        all
    }

    /// The machines that run: one QEMU for each enclave.
    pub fn machines(&self) -> Vec<Process> {
        self.processes("qemu-system")
    }

    /// The files of running enclaves, sockets among them.
    pub fn enclave_files(&self) -> Vec<PathBuf> {
        let folder = self.state().join("host/enclaves");
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    }

    /// Waits until nothing of any enclave is left: no machine, no holder, no file.
    pub fn until_nothing_runs(&self) {
        let begun = Instant::now();
        let enclaves = self.state().join("host/enclaves");
        loop {
            let left = (processes::naming(&enclaves), self.enclave_files());
            if left.0.is_empty() && left.1.is_empty() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "left running: {left:#?}");
            std::thread::sleep(LOOK);
        }
    }

    /// The statement in a row.
    pub fn statement(row: &Value) -> Statement {
        Statement::decode(&Self::bytes(&row["attestation"]["statement"])).unwrap()
    }

    /// Binary of a row.
    pub fn bytes(value: &Value) -> Vec<u8> {
        STANDARD.decode(value.as_str().unwrap()).unwrap()
    }

    /// Binary as it stands in a row's JSON.
    pub fn text(bytes: &[u8]) -> Value {
        json!(STANDARD.encode(bytes))
    }

    /// The ends of the logs, for a test that fails.
    pub fn logs(&self) -> String {
        ["pipeline.log", "host.log"]
            .iter()
            .map(|name| {
                let log = fs::read_to_string(self.state().join(name)).unwrap_or_default();
                let lines: Vec<_> = log.lines().collect();
                format!(
                    "{name}:\n{}\n",
                    lines[lines.len().saturating_sub(20)..].join("\n")
                )
            })
            .collect()
    }

    fn put_into(&self, table: &str, value: &Value) {
        self.runtime.block_on(async {
            let client = self.connection.dynamodb().await;
            let item = Some(read(value).into());
            client
                .put_item()
                .table_name(table)
                .set_item(item)
                .send()
                .await
                .unwrap();
        });
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let down = self.treza(&["local", "down"]);
        // It answers when its work is done, an instant before its process has gone.
        std::thread::sleep(Duration::from_millis(500));
        let left = processes::naming(self.folder.path());
        // A second panic would hide the first.
        if !std::thread::panicking() {
            assert_eq!(down.code, 0, "{down:?}");
            assert!(
                left.is_empty(),
                "left running after `treza local down`: {left:#?}"
            );
        }
    }
}

fn state(folder: &Path) -> PathBuf {
    folder.join("state")
}

fn treza(folder: &Path) -> std::process::Command {
    let mut command = program("treza");
    command
        .env("TREZA_STATE_DIR", state(folder))
        .env("XDG_CACHE_HOME", folder.join("cache"));
    command
}

fn read(value: &Value) -> Item {
    item::read(&value.to_string()).unwrap()
}
