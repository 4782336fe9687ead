//! From an image to an EIF: the same bytes each time, and every bad image refused.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod common;

use std::{fs, io::Read, os::unix::fs::PermissionsExt, path::Path, process::Command, sync::Arc};

use common::{Layer, Pack, block_on, bundle, gzip, oci_image, options, plain, zstd};
use eif_build::{
    Compression, Error, ImageRef, Labels, Measurement, cpio,
    digest::Digest,
    eif::{Eif, SectionKind},
    image, inspect, output, rootfs,
};
use tempfile::{TempDir, tempdir};

const CONFIG: &str = r#""Entrypoint":["/bin/app"],"Cmd":["-v"],"Env":["A=b"],"WorkingDir":"srv","User":"www","ExposedPorts":{"80/tcp":{}},"Labels":{"treza.nsm":"true"},"StopSignal":"SIGQUIT","Healthcheck":{"Test":["CMD","x"]}"#;

fn layers() -> Vec<(Vec<u8>, Pack)> {
    let base = Layer::new()
        .directory("etc")
        .file(
            "etc/passwd",
            b"root:x:0:0::/root:/bin/sh\nwww:x:33:33::/srv:/bin/sh\n",
        )
        .pax([("SCHILY.xattr.security.capability", &b"\x01\x02"[..])])
        .entry("bin/app", tar::EntryType::Regular, 0o755, "", b"program")
        .link("bin/app2", "bin/app")
        .symlink("bin/sh", "app");
    let top = Layer::new()
        .file("etc/motd", &vec![b'm'; 300_000])
        .file("gone", b"")
        .file(".wh.nothing", b"");
    vec![(base.tar(), gzip), (top.tar(), zstd)]
}

fn measure(image: &ImageRef, folder: &Path) -> Result<Measurement, Error> {
    block_on(eif_build::measure(image, &bundle(), &options(folder)))
}

fn build(image: &ImageRef, folder: &Path, output: &Path) -> Result<Measurement, Error> {
    block_on(eif_build::build(
        image,
        &bundle(),
        &Labels::default(),
        &options(folder),
        output,
    ))
}

fn example() -> (TempDir, ImageRef) {
    let folder = tempdir().unwrap();
    let image = oci_image(&folder.path().join("image"), &layers(), CONFIG);
    (folder, image)
}

#[test]
fn the_same_image_gives_the_same_bytes_and_measures_as_built() {
    let (first, image) = example();
    let (second, other) = example();
    let (a, b) = (first.path().join("a.eif"), second.path().join("b.eif"));
    let built = build(&image, first.path(), &a).unwrap();
    measure(&other, second.path()).unwrap();
    build(&other, second.path(), &b).unwrap();
    assert!(fs::read(&a).unwrap() == fs::read(&b).unwrap());
    let measured = measure(&image, first.path()).unwrap();
    assert_eq!((measured.pcrs, measured.size), (built.pcrs, built.size));
    assert_eq!(fs::metadata(&a).unwrap().len(), built.size);
    assert_eq!(fs::metadata(&a).unwrap().permissions().mode() & 0o400, 0o400);
    let left: Vec<_> = fs::read_dir(first.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 3, "only image, cache and EIF: {left:?}");
}

#[test]
fn an_eif_tells_bundle_and_image() {
    let (folder, image) = example();
    let path = folder.path().join("a.eif");
    let built = build(&image, folder.path(), &path).unwrap();
    let found = inspect(&path).unwrap();
    assert_eq!(found.pcrs, built.pcrs);
    assert_eq!(found.pcrs.pcr1, bundle().pcr1());
    assert_eq!(found.cmdline, "console=ttyS0");
    let description = found.description.unwrap();
    assert_eq!(description, built.description);
    assert_eq!(description.digest, built.image_digest.to_string());
    assert_eq!(
        (description.user.uid, description.user.home.as_str()),
        (33, "/srv")
    );
    assert_eq!(
        (description.working_dir.as_str(), description.nsm),
        ("/srv", true)
    );
    assert_eq!(
        (&description.exposed_ports[..], description.stop_signal.as_str()),
        (&[80][..], "SIGQUIT")
    );
    let xattrs: Vec<_> = description
        .xattrs
        .iter()
        .map(|xattr| (xattr.path.as_str(), &xattr.value[..]))
        .collect();
    assert!(xattrs.contains(&("bin/app", &[1, 2][..])));
}

#[test]
fn a_compressed_ramdisk_is_smaller_and_holds_the_same() {
    let (folder, image) = example();
    let options = eif_build::Options {
        compression: Compression::Zstd,
        ..options(folder.path())
    };
    let (plain, packed) = (folder.path().join("plain.eif"), folder.path().join("packed.eif"));
    let whole = build(&image, folder.path(), &plain).unwrap();
    let labels = Labels::default();
    let built = block_on(eif_build::build(&image, &bundle(), &labels, &options, &packed)).unwrap();
    assert!(built.size < whole.size);
    assert_eq!(built.pcrs.pcr1, whole.pcrs.pcr1);
    assert_ne!(built.pcrs.pcr2, whole.pcrs.pcr2);

    let bytes = fs::read(&packed).unwrap();
    block_on(eif_build::build(&image, &bundle(), &labels, &options, &packed)).unwrap();
    assert!(fs::read(&packed).unwrap() == bytes);
    let measured = block_on(eif_build::measure(&image, &bundle(), &options)).unwrap();
    assert_eq!((measured.pcrs, measured.size), (built.pcrs, built.size));

    assert_eq!(inspect(&packed).unwrap().description, Some(whole.description));
    let (plain, packed) = (last_ramdisk(&plain), last_ramdisk(&packed));
    assert!(::zstd::decode_all(&packed[..]).unwrap() == plain);
}

fn last_ramdisk(path: &Path) -> Vec<u8> {
    let mut eif = Eif::open(path).unwrap();
    let last = *eif.sections().last().unwrap();
    let mut content = Vec::new();
    eif.section(&last).unwrap().read_to_end(&mut content).unwrap();
    content
}

#[test]
fn the_ramdisk_has_the_files_with_their_links() {
    let (folder, image) = example();
    let path = folder.path().join("a.eif");
    build(&image, folder.path(), &path).unwrap();
    let mut eif = Eif::open(&path).unwrap();
    let ramdisk = eif
        .sections()
        .iter()
        .filter(|section| section.kind == SectionKind::Ramdisk)
        .nth(1)
        .copied()
        .unwrap();
    let mut archive = cpio::Reader::new(eif.section(&ramdisk).unwrap());
    let mut entries = Vec::new();
    while let Some(entry) = archive.next_entry().unwrap() {
        let mut data = Vec::new();
        archive.copy_data(&mut data).unwrap();
        entries.push((String::from_utf8(entry.path.clone()).unwrap(), entry, data));
    }
    let names: Vec<_> = entries.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "treza",
            "treza/image.json",
            "rootfs",
            "rootfs/bin",
            "rootfs/bin/app",
            "rootfs/bin/app2",
            "rootfs/bin/sh",
            "rootfs/etc",
            "rootfs/etc/motd",
            "rootfs/etc/passwd",
            "rootfs/gone"
        ]
    );
    let (app, app2, sh) = (&entries[4], &entries[5], &entries[6]);
    assert_eq!(
        (app.1.inode, app.1.links, &app.2[..]),
        (app2.1.inode, 2, &b"program"[..])
    );
    assert!(app2.2.is_empty());
    assert_eq!(
        (sh.1.mode, &sh.2[..]),
        (cpio::file_type::SYMLINK | 0o777, &b"app"[..])
    );
    assert_eq!((app.1.mode, app.1.uid), (cpio::file_type::REGULAR | 0o755, 1000));
}

#[test]
fn digests_pin_images_and_indexes() {
    let (folder, image) = example();
    let layout = folder.path().join("image");
    let digest = block_on(eif_build::resolve(&image, &options(folder.path()))).unwrap();
    let size = fs::metadata(layout.join("blobs/sha256").join(digest.hex()))
        .unwrap()
        .len();
    let entry = |arch: &str| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{size},"platform":{{"os":"linux","architecture":"{arch}"}}}}"#,
            if arch == "amd64" {
                digest
            } else {
                Digest::of(b"other")
            }
        )
    };
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{},{}]}}"#,
        entry("arm64"),
        entry("amd64")
    );
    let index_digest = Digest::of(index.as_bytes());
    fs::write(layout.join("blobs/sha256").join(index_digest.hex()), index).unwrap();
    for pin in [digest, index_digest] {
        let measured = measure(&image.with_digest(pin), folder.path()).unwrap();
        assert_eq!(measured.image_digest, digest);
    }
    let unknown = measure(&image.with_digest(Digest::of(b"")), folder.path()).unwrap_err();
    assert!(
        matches!(unknown, Error::Image(image::Error::NotFound { .. })),
        "{unknown}"
    );
}

#[test]
fn archives_give_the_same_image() {
    let (folder, image) = example();
    let expected = measure(&image, folder.path()).unwrap();
    let archive = folder.path().join("image.tar");
    let mut tar = tar::Builder::new(fs::File::create(&archive).unwrap());
    tar.append_dir_all(".", folder.path().join("image")).unwrap();
    tar.finish().unwrap();
    let reference: ImageRef = format!("oci-archive:{}", archive.display()).parse().unwrap();
    assert_eq!(measure(&reference, folder.path()).unwrap().pcrs, expected.pcrs);
}

#[test]
fn a_docker_archive_is_read() {
    let folder = tempdir().unwrap();
    let archive = folder.path().join("docker.tar");
    let layer = Layer::new().file("a", b"a").tar();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{"Cmd":["/a"]}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        Digest::of(&layer)
    );
    let outer = Layer::new()
        .file("config.json", config.as_bytes())
        .file("x/layer.tar", &layer)
        .file(
            "manifest.json",
            br#"[{"Config":"config.json","RepoTags":["a:1"],"Layers":["x/layer.tar"]}]"#,
        );
    fs::write(&archive, outer.tar()).unwrap();
    let reference: ImageRef = format!("docker-archive:{}", archive.display()).parse().unwrap();
    let measured = measure(&reference, folder.path()).unwrap();
    assert_eq!(measured.image_digest, Digest::of(config.as_bytes()));
    assert!(measure(&reference.with_digest(measured.image_digest), folder.path()).is_ok());
    let refused = measure(&reference.with_digest(Digest::of(b"")), folder.path()).unwrap_err();
    assert!(
        matches!(refused, Error::Image(image::Error::WrongDigest { .. })),
        "{refused}"
    );
}

#[test]
fn bad_images_are_refused_with_a_reason() {
    let folder = tempdir().unwrap();
    let refused = |name: &str, config: &str| {
        let image = oci_image(
            &folder.path().join(name),
            &[(Layer::new().file("a", b"").tar(), plain)],
            config,
        );
        let error = measure(&image, folder.path()).unwrap_err();
        assert!(error.is_refusal(), "{error}");
        error.to_string()
    };
    assert!(refused("none", "").contains("image without entrypoint"));
    assert!(refused("empty", r#""Entrypoint":[],"Cmd":null"#).contains("image without entrypoint"));
    assert!(refused("user", r#""Cmd":["a"],"User":"nobody""#).contains("nobody"));
    assert!(refused("env", r#""Cmd":["a"],"Env":["novalue"]"#).contains("NAME=value"));
}

#[test]
fn damaged_images_are_refused() {
    for (what, expected) in [
        ("config", "configuration"),
        ("layer", "digest"),
        ("manifest", "manifest"),
    ] {
        let (folder, image) = example();
        let blobs = folder.path().join("image/blobs/sha256");
        let digest = block_on(eif_build::resolve(&image, &options(folder.path()))).unwrap();
        let manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(blobs.join(digest.hex())).unwrap()).unwrap();
        let named = |value: &serde_json::Value| value["digest"].as_str().unwrap().replace("sha256:", "");
        let damaged = match what {
            "config" => named(&manifest["config"]),
            "layer" => named(&manifest["layers"][0]),
            _ => digest.hex(),
        };
        let path = blobs.join(damaged);
        let mut bytes = fs::read(&path).unwrap();
        // The gzip header's time: the layer still unpacks to the same.
        bytes[5] ^= 1;
        fs::write(&path, bytes).unwrap();
        let error = measure(&image, folder.path()).unwrap_err();
        assert!(
            error.is_refusal() && error.to_string().contains(expected),
            "{what}: {error}"
        );
    }
}

#[test]
fn what_cannot_be_written_leaves_nothing() {
    let (folder, image) = example();
    let missing = folder.path().join("no/such/folder.eif");
    assert!(matches!(
        build(&image, folder.path(), &missing),
        Err(Error::Output(output::Error::File { .. }))
    ));

    let full = folder.path().join("full");
    fs::create_dir(&full).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "none"])
        .arg(&full)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: a small tmpfs cannot be mounted here");
        return;
    }
    let result = build(&image, folder.path(), &full.join("a.eif"));
    let left = fs::read_dir(&full).unwrap().count();
    assert!(Command::new("umount").arg(&full).status().unwrap().success());
    let error = result.unwrap_err().to_string();
    assert!(error.contains("No space left"), "{error}");
    assert_eq!(left, 0);
}

#[test]
fn limits_hold_before_anything_is_unpacked() {
    let (folder, image) = example();
    let mut options = options(folder.path());
    options.limits = rootfs::Limits {
        layers: 1,
        ..rootfs::Limits::default()
    };
    let error = block_on(eif_build::measure(&image, &bundle(), &options)).unwrap_err();
    assert!(
        matches!(error, Error::Image(image::Error::TooLarge { .. })),
        "{error}"
    );
}

#[test]
fn a_build_may_be_signed() {
    let (folder, image) = example();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["a.test".into()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let signer =
        eif_build::eif::Signer::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes())
            .unwrap();
    let labels = Labels {
        signer: Some(Arc::new(signer)),
        ..Labels::default()
    };
    let path = folder.path().join("signed.eif");
    let built = block_on(eif_build::build(
        &image,
        &bundle(),
        &labels,
        &options(folder.path()),
        &path,
    ))
    .unwrap();
    let verified = eif_build::verify(&path, std::time::SystemTime::now()).unwrap();
    assert!(verified.passed(), "{verified:?}");
    assert_eq!(verified.pcrs, Some(built.pcrs));
    assert_eq!(built.pcrs.pcr0, measure(&image, folder.path()).unwrap().pcrs.pcr0);
}
