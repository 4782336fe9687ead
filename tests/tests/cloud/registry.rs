//! ECR's registry, which the emulated account has not: Debian's docker-registry under ECR's own name, with TLS and the
//! login that the account gives. `skopeo` finds it through a proxy, and everything else of skopeo's is as ever.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use end_to_end::estate::Account;
use end_to_end::programs::run;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
const ECR: &str = "AmazonEC2ContainerRegistry_V20150921";
/// Of the emulated account.
pub(crate) const NAME: &str = "123456789012.dkr.ecr.us-west-2.amazonaws.com";

/// The registry. It ends when it is dropped.
pub(crate) struct Registry {
    process: Child,
    folder: PathBuf,
}

impl Registry {
    /// Starts one, with its files in `folder`.
    pub(crate) async fn start(folder: &Path, account: &Account) -> Self {
        fs::create_dir_all(folder).unwrap();
        let folder = folder.to_owned();
        let certificate = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        fs::write(folder.join("certificate.pem"), certificate.cert.pem()).unwrap();
        fs::write(folder.join("key.pem"), certificate.signing_key.serialize_pem()).unwrap();
        let login = login(account).await;
        let (user, password) = login.split_once(':').unwrap();
        let password = run("htpasswd", ["-Bbn", user, password]);
        fs::write(folder.join("htpasswd"), password.stdout).unwrap();
        let at = |name: &str| folder.join(name).display().to_string();
        let configuration = json!({
            "version": "0.1", "log": {"level": "info", "accesslog": {"disabled": true}},
            "storage": {"filesystem": {"rootdirectory": at("blobs")}},
            "http": {"addr": "127.0.0.1:0", "tls": {"certificate": at("certificate.pem"), "key": at("key.pem")}},
            "auth": {"htpasswd": {"realm": "ecr", "path": at("htpasswd")}},
        });
        // YAML, as all JSON is.
        fs::write(folder.join("config.yml"), configuration.to_string()).unwrap();
        let log = fs::File::create(folder.join("log")).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(folder.join("config.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let registry = Self { process, folder };
        let proxy = proxy_to(registry.address());
        registry.write_skopeo(&proxy);
        registry
    }

    /// The folder in which `skopeo` is one that finds the registry.
    pub(crate) fn programs(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// The digests of `repository`.
    pub(crate) fn images(&self, repository: &str) -> Vec<String> {
        let revisions =
            format!("blobs/docker/registry/v2/repositories/{repository}/_manifests/revisions/sha256");
        let entries = fs::read_dir(self.folder.join(revisions))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .map(|entry| format!("sha256:{}", entry.file_name().to_string_lossy()))
            .collect()
    }

    /// Lets the account know of an image that was pushed: in AWS registry and account are one.
    pub(crate) async fn tell(&self, account: &Account, repository: &str, digest: &str) {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let blob = format!("blobs/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
        let manifest = fs::read_to_string(self.folder.join(blob)).unwrap();
        let body = json!({
            "repositoryName": repository, "imageManifest": manifest, "imageDigest": digest,
            "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json", "imageTag": digest.replace(':', "-"),
        });
        account
            .json("ecr", &format!("{ECR}.PutImage"), &body)
            .await
            .unwrap();
    }

    fn address(&self) -> String {
        let begun = Instant::now();
        loop {
            let log = fs::read_to_string(self.folder.join("log")).unwrap();
            if let Some((_, rest)) = log.split_once("listening on ") {
                return rest.split([',', '"', '\n']).next().unwrap().to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "the registry does not come up: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn write_skopeo(&self, proxy: &str) {
        let path = std::env::var_os("PATH").unwrap();
        let skopeo = std::env::split_paths(&path).map(|folder| folder.join("skopeo"));
        let skopeo = skopeo.into_iter().find(|file| file.is_file()).expect("skopeo");
        let script = format!(
            "#!/bin/sh\nexport HTTPS_PROXY=http://{proxy} SSL_CERT_FILE={}\nexec {} \"$@\"\n",
            self.folder.join("certificate.pem").display(),
            skopeo.display(),
        );
        fs::create_dir(self.programs()).unwrap();
        let file = self.programs().join("skopeo");
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `USER:PASSWORD`, as the account gives it.
async fn login(account: &Account) -> String {
    let target = format!("{ECR}.GetAuthorizationToken");
    let answer: Value = account.json("ecr", &target, &json!({})).await.unwrap();
    let token = answer["authorizationData"][0]["authorizationToken"]
        .as_str()
        .unwrap();
    String::from_utf8(STANDARD.decode(token).unwrap()).unwrap()
}

/// A proxy for TLS that leads to `address`, whatever is asked for; its own address. It ends with the process.
fn proxy_to(address: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for caller in listener.incoming().flatten() {
            let address = address.clone();
            std::thread::spawn(move || tunnel(caller, &address));
        }
    });
    proxy
}

/// One CONNECT. What breaks is the caller's to tell.
fn tunnel(mut caller: TcpStream, address: &str) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        caller.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let mut registry = TcpStream::connect(address).ok()?;
    caller.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let (mut from_caller, mut to_registry) = (caller.try_clone().ok()?, registry.try_clone().ok()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_caller, &mut to_registry);
        let _ = to_registry.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut registry, &mut caller);
    let _ = caller.shutdown(std::net::Shutdown::Write);
    Some(())
}
