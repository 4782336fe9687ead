//! `--image`: the image is measured here, with a bundle of the caller's own, and the row is held against that.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{AUTHORITY, Enclave};
use eif_build::bundle::{Bundle, Machine, Store};
use eif_build::digest::Digest;
use eif_build::image::Cache;
use eif_build::{ImageRef, Options};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A folder with an image in OCI's layout, a store of bundles, the development root, and soon a row.
struct Case {
    folder: TempDir,
    image: Digest,
    bundle: Digest,
}

impl Case {
    fn new(labels: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = make_image(&folder.path().join("image"), labels);
        let store = Store::new(folder.path().join("bundles"));
        let bundle = make_bundle(&store, "a kernel");
        store.set_default(&bundle).unwrap();
        fs::write(folder.path().join("root.pem"), AUTHORITY.certificate_pem()).unwrap();
        Self {
            folder,
            image,
            bundle,
        }
    }

    /// An enclave of the image, as the program itself measures it.
    fn enclave(&self) -> Enclave {
        Enclave {
            image_digest: self.image.to_string(),
            bundle: self.bundle.to_string(),
            measured: self.measured(),
            ..Enclave::default()
        }
    }

    /// PCR 0, 1 and 2 of the image's EIF with the bundle.
    fn measured(&self) -> [[u8; 48]; 3] {
        let folder = self.folder.path();
        let image: ImageRef = format!("oci:{}@{}", folder.join("image").display(), self.image)
            .parse()
            .unwrap();
        let bundle = Store::new(folder.join("bundles")).open(&self.bundle).unwrap();
        let options = Options::new(Cache::new(folder.join("cache")));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let pcrs = runtime
            .block_on(eif_build::measure(&image, &bundle, &options))
            .unwrap()
            .pcrs;
        [pcrs.pcr0.0, pcrs.pcr1.0, pcrs.pcr2.0]
    }

    /// Verifies the row of `enclave` with `--image` and `options`: exit code and JSON.
    fn verify(&self, enclave: &Enclave, options: &[&str]) -> (i32, Value) {
        let row = enclave.row(&enclave.evidence());
        fs::write(self.folder.path().join("row.json"), row.to_string()).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_treza-attest"))
            .args([
                "verify",
                "--json",
                "--row",
                "row.json",
                "--trust-root",
                "root.pem",
            ])
            .args(["--bundles", "bundles", "--cache", "cache"])
            .args(["--image", &format!("oci:image@{}", self.image)])
            .args(options)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let json = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), json)
    }
}

fn make_bundle(store: &Store, kernel: &str) -> Digest {
    let bundle = Bundle::new(
        kernel.into(),
        "console=ttyS0".into(),
        b"a boot ramdisk".to_vec(),
        Machine::Cmdline,
    )
    .unwrap();
    store.put(&bundle).unwrap();
    bundle.digest()
}

/// An image of one file; its manifest's digest.
fn make_image(folder: &Path, labels: Value) -> Digest {
    fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    let put = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        fs::write(folder.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        digest
    };
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(4);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    layer.append_data(&mut header, "program", &b"run!"[..]).unwrap();
    let layer = layer.into_inner().unwrap();
    let layer_digest = put(&layer);
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "config": {"Entrypoint": ["/program"], "Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": [layer_digest.to_string()]},
    })
    .to_string();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": put(config.as_bytes()).to_string(), "size": config.len()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": layer_digest.to_string(), "size": layer.len()}],
    })
    .to_string();
    let digest = put(manifest.as_bytes());
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest.to_string(), "size": manifest.len(),
            "platform": {"architecture": "amd64", "os": "linux"}}],
    });
    fs::write(folder.join("index.json"), index.to_string()).unwrap();
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    digest
}

#[test]
fn a_row_of_the_image_is_verified_and_says_with_which_bundle() {
    let case = Case::new(json!({}));
    let (code, json) = case.verify(&case.enclave(), &[]);
    assert_eq!(code, 0, "{json}");
    let compared = json["compared"].as_array().unwrap();
    for name in ["0", "1", "2", "image_digest", "launch_digest"] {
        assert!(compared.contains(&name.into()), "{name}: {json}");
    }
    let reason = json["reason"].as_str().unwrap();
    assert!(reason.contains(&case.bundle.to_string()), "{reason}");
    assert!(
        !reason.contains("could have made the statement itself"),
        "{reason}"
    );
}

#[test]
fn another_image_is_refused_by_its_registers_and_by_its_name() {
    let case = Case::new(json!({}));
    let other = Enclave {
        measured: [[0x10; 48]; 3],
        ..case.enclave()
    };
    assert_eq!(case.verify(&other, &[]).1["code"], "pcr");
    let misnamed = Enclave {
        image_digest: Enclave::default().image_digest,
        ..case.enclave()
    };
    let (code, json) = case.verify(&misnamed, &[]);
    assert_eq!((code, &json["code"]), (2, &"image_mismatch".into()));
}

#[test]
fn the_rows_bundle_is_used_if_the_caller_holds_it() {
    let case = Case::new(json!({}));
    let enclave = case.enclave();
    let store = Store::new(case.folder.path().join("bundles"));
    let newer = make_bundle(&store, "a newer kernel");
    store.set_default(&newer).unwrap();
    assert_eq!(
        case.verify(&enclave, &[]).0,
        0,
        "the row's goes before the default"
    );
    assert_eq!(
        case.verify(&enclave, &["--bundle", &newer.to_string()]).1["code"],
        "launch_mismatch"
    );
    let strange = Enclave {
        bundle: Digest::of(b"nobody's").to_string(),
        ..enclave
    };
    let (code, json) = case.verify(&strange, &[]);
    assert_eq!((code, &json["code"]), (2, &"unknown_bundle".into()));
    assert!(json["reason"].as_str().unwrap().contains("--bundles"));
}

#[test]
fn an_image_that_gives_its_application_the_module_is_named() {
    let case = Case::new(json!({"treza.nsm": "true"}));
    let (code, json) = case.verify(&case.enclave(), &[]);
    assert_eq!(code, 0, "{json}");
    let reason = json["reason"].as_str().unwrap();
    assert!(
        reason.contains("the application could have made the statement itself"),
        "{reason}"
    );
}

#[test]
fn a_missing_image_is_no_refusal() {
    let case = Case::new(json!({}));
    let enclave = case.enclave();
    fs::remove_file(
        case.folder
            .path()
            .join("image/blobs/sha256")
            .join(case.image.hex()),
    )
    .unwrap();
    fs::remove_dir_all(case.folder.path().join("cache")).ok();
    let (code, json) = case.verify(&enclave, &[]);
    assert_eq!((code, &json["code"]), (1, &"could_not".into()));
}
