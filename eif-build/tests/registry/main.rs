//! Registries: Debian's docker-registry, open and with a password; one that hands out tokens and lies; and worse.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod cache;
#[path = "../common/mod.rs"]
mod common;
mod credentials;
mod helpers;
mod hostile;
mod https;
mod pulled;
mod server;

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use common::{block_on, bundle, options, small_image};
use eif_build::{
    Error, ImageRef,
    digest::Digest,
    image::{Credentials, Error as ImageError},
};
use pulled::image;
use server::{ask_for_token, content, image_at, reply, serve};
use tempfile::tempdir;

/// user:secret, bcrypt.
const HTPASSWD: &str = r"user:$2b$04$qGVbfH5I98hRwHACPrGM5uxjnal1VfQmPMRNbIYPI9vzzpFqzZTKS";

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
    let local = small_image(folder.path());
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
        matches!(error, Error::Image(ImageError::NotFound { .. })),
        "{error}"
    );
    let wrong = remote.with_digest(Digest::of(b""));
    let error = block_on(eif_build::measure(&wrong, &bundle(), &options)).unwrap_err();
    assert!(
        matches!(error, Error::Image(ImageError::NotFound { .. })),
        "{error}"
    );

    // What is pinned and cached needs no registry; without the pin it does.
    let unreachable = remote.clone();
    drop(registry);
    assert!(block_on(eif_build::measure(&pinned, &bundle(), &options)).is_ok());
    let error = block_on(eif_build::measure(&unreachable, &bundle(), &options)).unwrap_err();
    assert!(
        matches!(error, Error::Image(ImageError::Unreachable { .. })),
        "{error}"
    );
}

#[test]
fn a_registry_with_a_password_wants_it() {
    let folder = tempdir().unwrap();
    small_image(folder.path());
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
            matches!(error, Error::Image(ImageError::Unauthorized { .. })),
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
fn token_registry(layout: PathBuf, image: Digest, change: fn(&str, Vec<u8>) -> Vec<u8>) -> ImageRef {
    let address = serve(move |request, stream| {
        let path = request.path();
        if path.starts_with("/token") {
            reply(stream, "200 OK", &[], br#"{"token":"good"}"#);
        } else if request.authorization() != Some("Bearer good") {
            let host = request.header("host").unwrap();
            ask_for_token(stream, &format!("http://{host}/token"));
        } else {
            match content(&layout, path, &image) {
                Some(body) => reply(stream, "200 OK", &[], &change(path, body)),
                None => reply(stream, "404 Not Found", &[], b""),
            }
        }
    });
    image_at(&address)
}

fn fetch_from(change: fn(&str, Vec<u8>) -> Vec<u8>) -> Result<(), Error> {
    let (folder, digest) = image();
    let remote = token_registry(folder.path().join("image"), digest, change).with_digest(digest);
    let options = options(folder.path());
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
