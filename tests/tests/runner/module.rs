//! A module whose host is a resource of Terraform's own, and whose AWS is a script.

use crate::PATIENCE;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Such a module.
pub(crate) struct Module {
    folder: TempDir,
    pub(crate) terraform: PathBuf,
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

    /// A file or folder beside it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
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
