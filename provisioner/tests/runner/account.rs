//! What the runner finds: tables, a bucket, a module of Terraform's.

use aws_sdk_dynamodb::Client;
use contract::RecordId;
use contract::item;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use provisioner::local::database::Served;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use store::{Connection, MeasuredImage, Noted, Tables, Turn, Turns};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// In the runner's environment, and in the row's: no business of Terraform's.
pub(crate) const SECRET: &str = "hunter2-of-the-runner";
pub(crate) const ROW_SECRET: &str = "hunter2-of-the-row";
const REGION: &str = "us-west-2";
const BUCKET: &str = "states";
const PATIENCE: Duration = Duration::from_secs(60);

/// Tables and a bucket.
pub(crate) struct Account {
    served: Served,
    client: Client,
    turns: Turns,
    s3: Moto,
}

impl Account {
    /// None, and a word, where Terraform or the S3 server is missing.
    pub(crate) async fn new() -> Option<Self> {
        if !in_path("terraform") {
            println!("skipped: there is no terraform in PATH");
            return None;
        }
        let s3 = Moto::start()?;
        let served = Served::start(None, 0).await.unwrap();
        let connection = Connection {
            endpoint: Some(served.endpoint.clone()),
            s3_endpoint: Some(s3.endpoint.clone()),
            profile: None,
            region: REGION.into(),
        };
        let (client, tables) = (connection.dynamodb().await, Tables::default());
        store::schema::create(&client, &tables).await.unwrap();
        store::schema::create_turns(&client, &tables).await.unwrap();
        let buckets = connection.s3().await;
        let location = aws_sdk_s3::types::BucketLocationConstraint::from(REGION);
        let configuration = aws_sdk_s3::types::CreateBucketConfiguration::builder()
            .location_constraint(location)
            .build();
        let bucket = buckets.create_bucket().bucket(BUCKET);
        bucket
            .create_bucket_configuration(configuration)
            .send()
            .await
            .unwrap();
        Some(Self {
            turns: Turns::of(client.clone(), &tables),
            served,
            client,
            s3,
        })
    }

    /// A row that is DEPLOYING, measured, with a secret for its application.
    pub(crate) async fn deploying(&self, id: &str, generation: u64) {
        let row = serde_json::json!({
            "id": id, "status": "DEPLOYING", "generation": generation, "revision": 1,
            "providerConfig": {"dockerImage": "127.0.0.1:5000/nginx:1", "cpuCount": "2", "memoryMiB": "1024",
                "environmentVariables": serde_json::json!({"KEY": ROW_SECRET}).to_string()},
        });
        let item = item::read(&row.to_string()).unwrap();
        let put = self
            .client
            .put_item()
            .table_name("enclaves")
            .set_item(Some(item.into()));
        put.send().await.unwrap();
        let (id, measured) = (record(id), measured());
        assert_eq!(self.turns.begin(&id, generation).await.unwrap(), Noted::Yes);
        let noted = self.turns.measured(&id, generation, &measured).await.unwrap();
        assert_eq!(noted, Noted::Yes);
    }

    pub(crate) async fn status(&self, id: &str, status: &str) {
        use aws_sdk_dynamodb::types::AttributeValue as Value;
        let call = self.client.update_item().table_name("enclaves");
        let call = call
            .key("id", Value::S(id.into()))
            .update_expression("SET #s = :s");
        let call = call.expression_attribute_names("#s", "status");
        let call = call.expression_attribute_values(":s", Value::S(status.into()));
        call.send().await.unwrap();
    }

    pub(crate) async fn turn(&self, id: &str) -> Turn {
        self.turns.get(&record(id)).await.unwrap()
    }

    /// The objects in the bucket: states and locks.
    pub(crate) async fn states(&self) -> Vec<String> {
        let connection = Connection {
            endpoint: None,
            s3_endpoint: Some(self.s3.endpoint.clone()),
            profile: None,
            region: REGION.into(),
        };
        let answer = connection
            .s3()
            .await
            .list_objects_v2()
            .bucket(BUCKET)
            .send()
            .await;
        let objects = answer.unwrap().contents.unwrap_or_default();
        objects.into_iter().filter_map(|object| object.key).collect()
    }

    pub(crate) async fn run(&self, command: &str, id: &str, generation: u64, module: &Module) -> Ended {
        self.start(command, id, generation, module).ended().await
    }

    /// The runner, as its container starts it.
    pub(crate) fn start(&self, command: &str, id: &str, generation: u64, module: &Module) -> Run {
        let turn = serde_json::json!({"id": id, "generation": generation}).to_string();
        let variables = serde_json::json!({"environment": "test", "subnet_ids": ["subnet-a", "subnet-b"]});
        let digest = format!("sha256:{}", "b".repeat(64));
        let path = std::env::var("PATH").unwrap();
        let work = module.folder.path().join("work");
        let variables = variables.to_string();
        let environment = BTreeMap::from([
            ("PATH", path.as_str()),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.served.endpoint),
            ("AWS_ENDPOINT_URL_S3", &self.s3.endpoint),
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
        let child = Command::new(env!("CARGO_BIN_EXE_treza-runner"))
            .arg(command)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Run { child }
    }
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

/// A run that goes on.
pub(crate) struct Run {
    child: Child,
}

impl Run {
    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().unwrap().try_into().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Kills it and its Terraform, as a machine that is lost does.
    pub(crate) fn kill_all(&self) {
        let children = format!("/proc/{0}/task", self.pid());
        let mut groups = Vec::new();
        for thread in std::fs::read_dir(children).unwrap().flatten() {
            let list = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            groups.extend(
                list.split_whitespace()
                    .map(|pid| Pid::from_raw(pid.parse().unwrap())),
            );
        }
        assert!(!groups.is_empty(), "no Terraform runs");
        self.signal(Signal::SIGKILL);
        for group in groups {
            killpg(group, Signal::SIGKILL).unwrap();
        }
    }

    pub(crate) async fn ended(mut self) -> Ended {
        let (mut output, mut errors) = (String::new(), String::new());
        let (mut stdout, mut stderr) = (
            self.child.stdout.take().unwrap(),
            self.child.stderr.take().unwrap(),
        );
        let (read, also) = tokio::join!(
            stdout.read_to_string(&mut output),
            stderr.read_to_string(&mut errors)
        );
        read.unwrap();
        also.unwrap();
        Ended {
            status: self.child.wait().await.unwrap(),
            output: output + &errors,
        }
    }
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    status: ExitStatus,
    pub(crate) output: String,
}

impl Ended {
    pub(crate) fn success(&self) -> bool {
        self.status.success()
    }

    pub(crate) fn said(&self, words: &str) -> bool {
        self.output.contains(words)
    }
}

/// A module whose host is a resource of Terraform's own, and whose AWS is a script.
pub(crate) struct Module {
    folder: TempDir,
    terraform: PathBuf,
}

const TERRAFORM: &str = r#"
terraform {
  backend "s3" {}
}
variable "environment" { type = string }
variable "subnet_ids" { type = list(string) }
variable "id" { type = string }
variable "instance_type" { type = string }
variable "zone_index" { type = number }
variable "image_repository_arn" { type = string }
variable "image_object_arn" { type = string }
variable "aws_services" { type = list(string) }
variable "pcr0" { type = string }
variable "pcr16" { type = string }
variable "volume_gib" { type = number }

resource "terraform_data" "host" {
  input            = { id = var.id, instance_id = "i-0123456789abcdef0", zone = var.zone_index }
  triggers_replace = [var.zone_index]
  provisioner "local-exec" {
    command = "exec sh FOLDER/aws make ${var.zone_index}"
  }
  provisioner "local-exec" {
    when    = destroy
    command = "exec sh FOLDER/aws unmake"
  }
}
output "instance_id" { value = terraform_data.host.output.instance_id }
output "address" { value = "10.0.0.7" }
output "zone_index" { value = terraform_data.host.output.zone }
"#;

/// What AWS answers: it notes what was asked, takes its time, and refuses where a file says so.
const AWS: &str = r#"
cd FOLDER
env > environment
touch began
sleep "$(cat takes)"
[ -e "answer-$2" ] && { echo "$*" >> log; cat "answer-$2" >&2; exit 1; }
echo "$*" >> log
"#;

impl Module {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let terraform = folder.path().join("terraform");
        std::fs::create_dir(&terraform).unwrap();
        let path = folder.path().to_str().unwrap();
        std::fs::write(terraform.join("main.tf"), TERRAFORM.replace("FOLDER", path)).unwrap();
        std::fs::write(folder.path().join("aws"), AWS.replace("FOLDER", path)).unwrap();
        let module = Self { folder, terraform };
        module.takes(Duration::ZERO);
        module
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How long it takes to make a host.
    pub(crate) fn takes(&self, time: Duration) {
        std::fs::write(self.file("takes"), time.as_secs().to_string()).unwrap();
        let _ = std::fs::remove_file(self.file("began"));
    }

    /// What is answered in `zone` from now on.
    pub(crate) fn answers(&self, zone: usize, answer: &str) {
        std::fs::write(self.file(&format!("answer-{zone}")), answer).unwrap();
    }

    /// What was asked of AWS.
    pub(crate) fn log(&self) -> Vec<String> {
        read(&self.file("log")).lines().map(str::to_owned).collect()
    }

    /// The environment that Terraform hands on.
    pub(crate) fn environment(&self) -> String {
        read(&self.file("environment"))
    }

    pub(crate) async fn began(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.file("began").exists() {
            assert!(Instant::now() < deadline, "Terraform does not begin");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// An S3 server for tests, of a Python environment that `scripts/test.sh` makes.
struct Moto {
    process: std::process::Child,
    endpoint: String,
}

impl Moto {
    fn start() -> Option<Self> {
        let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/moto_server");
        if !server.is_file() {
            println!(
                "skipped: {} is missing; scripts/test.sh makes it",
                server.display()
            );
            return None;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        drop(listener);
        let process = std::process::Command::new(server)
            .args(["-H", "127.0.0.1", "-p", &port])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Self {
            process,
            endpoint: format!("http://127.0.0.1:{port}"),
        };
        let begun = Instant::now();
        while std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
            assert!(begun.elapsed() < PATIENCE, "moto does not come up");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(moto)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
