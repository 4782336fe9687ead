//! Registries: Debian's docker-registry, open and with a password, and one that hands out tokens and lies.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use common::{Layer, bundle, gzip, oci_image, options};
use eif_build::{
    Error, ImageRef,
    image::{self, Credentials},
};
use tempfile::tempdir;

/// user:secret, bcrypt.
const HTPASSWD: &str = r"user:$2b$04$qGVbfH5I98hRwHACPrGM5uxjnal1VfQmPMRNbIYPI9vzzpFqzZTKS";

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

fn example(folder: &Path) -> ImageRef {
    oci_image(
        &folder.join("image"),
        &[(Layer::new().file("a", b"content").tar(), gzip)],
        r#""Cmd":["/a"]"#,
    )
}

/// A docker-registry of its own, ended with the test.
struct Registry {
    process: Child,
    address: String,
}

impl Registry {
    fn start(folder: &Path, password: bool) -> Option<Self> {
        // The program takes no port 0: a free one is found first.
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .to_string();
        let storage = folder.join("storage");
        let mut config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{address}\"}}\n",
            storage.display()
        );
        if password {
            fs::write(folder.join("htpasswd"), HTPASSWD).unwrap();
            config += &format!(
                "auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
                folder.join("htpasswd").display()
            );
        }
        fs::write(folder.join("config.yml"), config).unwrap();
        let started = Command::new("docker-registry")
            .arg("serve")
            .arg(folder.join("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            eprintln!("skipped: docker-registry is not installed");
            return None;
        };
        let registry = Self { process, address };
        for _ in 0..600 {
            if TcpStream::connect(&registry.address).is_ok() {
                return Some(registry);
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("docker-registry does not answer");
    }

    fn push(&self, folder: &Path, login: &[&str]) -> Option<ImageRef> {
        let to = format!("docker://{}/team/app:1", self.address);
        let from = format!("oci:{}", folder.join("image").display());
        let pushed = Command::new("skopeo")
            .args(["copy", "-q", "--dest-tls-verify=false"])
            .args(login)
            .args([from, to])
            .status();
        let Ok(status) = pushed else {
            eprintln!("skipped: skopeo is not installed");
            return None;
        };
        assert!(status.success(), "skopeo could not push");
        Some(format!("{}/team/app:1", self.address).parse().unwrap())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn an_image_of_a_registry_is_the_image_that_was_pushed() {
    let folder = tempdir().unwrap();
    let local = example(folder.path());
    let Some(registry) = Registry::start(folder.path(), false) else {
        return;
    };
    let Some(remote) = registry.push(folder.path(), &[]) else {
        return;
    };
    let options = options(folder.path());
    let expected = block_on(eif_build::measure(&local, &bundle(), &options)).unwrap();
    let digest = block_on(eif_build::resolve(&remote, &options)).unwrap();
    assert_eq!(digest, expected.image_digest);
    let pinned = remote.with_digest(digest);
    let measured = block_on(eif_build::measure(&pinned, &bundle(), &options)).unwrap();
    assert_eq!(measured.pcrs, expected.pcrs);

    let error = block_on(eif_build::resolve(
        &format!("{}/team/none:1", registry.address).parse().unwrap(),
        &options,
    ))
    .unwrap_err();
    assert!(
        matches!(error, Error::Image(image::Error::NotFound { .. })),
        "{error}"
    );
    let wrong = remote.with_digest(eif_build::digest::Digest::of(b""));
    let error = block_on(eif_build::measure(&wrong, &bundle(), &options)).unwrap_err();
    assert!(
        matches!(error, Error::Image(image::Error::NotFound { .. })),
        "{error}"
    );

    // What is pinned and cached needs no registry; without the pin it does.
    let unreachable = remote.clone();
    drop(registry);
    assert!(block_on(eif_build::measure(&pinned, &bundle(), &options)).is_ok());
    let error = block_on(eif_build::measure(&unreachable, &bundle(), &options)).unwrap_err();
    assert!(
        matches!(error, Error::Image(image::Error::Unreachable { .. })),
        "{error}"
    );
}

#[test]
fn a_registry_with_a_password_wants_it() {
    let folder = tempdir().unwrap();
    example(folder.path());
    let Some(registry) = Registry::start(folder.path(), true) else {
        return;
    };
    let Some(remote) = registry.push(folder.path(), &["--dest-creds", "user:secret"]) else {
        return;
    };
    let mut options = options(folder.path());
    let mut resolve = |credentials| {
        options.credentials = credentials;
        block_on(eif_build::resolve(&remote, &options))
    };
    for wrong in [
        Credentials::Anonymous,
        Credentials::Basic("user".into(), "wrong".into()),
    ] {
        let error = resolve(wrong).unwrap_err();
        assert!(
            matches!(error, Error::Image(image::Error::Unauthorized { .. })),
            "{error}"
        );
    }
    let path = folder.path().join("config.json");
    let auth = "dXNlcjpzZWNyZXQ=";
    fs::write(
        &path,
        format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, registry.address),
    )
    .unwrap();
    assert!(resolve(Credentials::DockerConfig(path)).is_ok());
}

/// A registry of one image that wants a token of its own, and may change what it sends.
fn token_registry(blobs: PathBuf, manifest: String, change: fn(&str, Vec<u8>) -> Vec<u8>) -> ImageRef {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let shared = Arc::new((blobs, manifest, address.clone()));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let shared = shared.clone();
            std::thread::spawn(move || answer(stream, &shared.0, &shared.1, &shared.2, change));
        }
    });
    format!("{address}/app:1").parse().unwrap()
}

fn answer(
    mut stream: TcpStream,
    blobs: &Path,
    manifest: &str,
    address: &str,
    change: fn(&str, Vec<u8>) -> Vec<u8>,
) {
    let lines: Vec<String> = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let path = lines
        .first()
        .and_then(|line| line.split(' ').nth(1))
        .unwrap_or_default()
        .to_owned();
    let authorized = lines
        .iter()
        .any(|line| line.eq_ignore_ascii_case("authorization: Bearer good"));
    let (status, headers, body) = if path.starts_with("/token") {
        ("200 OK", String::new(), br#"{"token":"good"}"#.to_vec())
    } else if !authorized {
        let challenge =
            format!("www-authenticate: Bearer realm=\"http://{address}/token\",service=\"s\"\r\n");
        ("401 Unauthorized", challenge, Vec::new())
    } else {
        let name = path.rsplit('/').next().unwrap_or_default();
        let name = name.strip_prefix("sha256:").unwrap_or(manifest);
        match fs::read(blobs.join(name)) {
            Ok(body) => ("200 OK", String::new(), change(&path, body)),
            Err(_) => ("404 Not Found", String::new(), Vec::new()),
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
}

fn fetch_from(change: fn(&str, Vec<u8>) -> Vec<u8>) -> Result<(), Error> {
    let folder = tempdir().unwrap();
    let local = example(folder.path());
    let options = options(folder.path());
    let digest = block_on(eif_build::resolve(&local, &options)).unwrap();
    let remote =
        token_registry(folder.path().join("image/blobs/sha256"), digest.hex(), change).with_digest(digest);
    let result = block_on(eif_build::measure(&remote, &bundle(), &options)).map(drop);
    let left = fs::read_dir(folder.path().join("cache/blobs/sha256"))
        .into_iter()
        .flatten();
    for entry in left {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with('.'), "{name} was left in the cache");
    }
    result
}

#[test]
fn tokens_are_fetched_and_shown() {
    fetch_from(|_, body| body).unwrap();
}

#[test]
fn a_registry_that_lies_is_refused() {
    let changed_layer = fetch_from(|path, mut body| {
        if path.contains("/blobs/") && body.starts_with(&[0x1f, 0x8b]) {
            body[12] ^= 1;
        }
        body
    });
    assert!(changed_layer.unwrap_err().to_string().contains("sha256:"));
    let longer = fetch_from(|path, mut body| {
        if path.contains("/blobs/") {
            body.extend([0; 4096]);
        }
        body
    });
    assert!(longer.unwrap_err().to_string().contains("longer than"));
    let changed_manifest = fetch_from(|path, mut body| {
        if path.contains("/manifests/") {
            body.push(b' ');
        }
        body
    });
    assert!(changed_manifest.is_err());
}
