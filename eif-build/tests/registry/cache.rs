//! The cache keeps its limit, what is in use, and nothing that was left behind.
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use eif_build::{
    Options,
    digest::Digest,
    image::{self, Blob, Cache, Image},
};
use tempfile::tempdir;

use crate::{
    common::{Layer, block_on, oci_image, options, plain},
    server::{content, reply, serve},
};

/// The size of each image's layer, which is nearly all of the image.
const LAYER: u64 = 1 << 20;

/// A registry of images that are told apart by their names; counts the layers that it sends.
fn registry(folder: &Path) -> (String, Arc<AtomicU64>) {
    let sent = Arc::new(AtomicU64::new(0));
    let (folder, count) = (folder.to_owned(), sent.clone());
    let address = serve(move |request, stream| {
        let layout = folder.join(request.path().split('/').nth(2).unwrap());
        let digest = fs::read_to_string(layout.join("digest"))
            .unwrap()
            .parse()
            .unwrap();
        let body = content(&layout, request.path(), &digest).unwrap();
        count.fetch_add(u64::from(body.len() as u64 >= LAYER), Ordering::Relaxed);
        reply(stream, "200 OK", &[], &body);
    });
    (address, sent)
}

/// Makes the image `name` for the registry, and gives its layer's digest.
fn make(folder: &Path, name: &str) -> Digest {
    let layer = Layer::new()
        .file(name, &vec![name.as_bytes()[0]; LAYER as usize])
        .tar();
    let digest = Digest::of(&layer);
    let image = oci_image(&folder.join(name), &[(layer, plain)], r#""Cmd":["/a"]"#);
    let image = block_on(eif_build::resolve(&image, &options(folder))).unwrap();
    fs::write(folder.join(name).join("digest"), image.to_string()).unwrap();
    digest
}

fn cache(folder: &Path, limit: u64) -> Cache {
    Cache::new(folder.join("cache")).with_limit(limit)
}

fn open(address: &str, name: &str, cache: Cache) -> Result<Image, image::Error> {
    let image = format!("{address}/{name}:1").parse().unwrap();
    block_on(image::open(&image, &Options::new(cache)))
}

fn has(cache: &Cache, digest: Digest) -> bool {
    cache.blobs().unwrap().iter().any(|blob| blob.digest == digest)
}

fn command(action: &str, folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_treza-eif"))
        .args(["cache", action, "--cache"])
        .arg(folder.join("cache"))
        .output()
        .unwrap()
}

#[test]
fn what_was_used_least_recently_goes_first() {
    let folder = tempdir().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| make(folder.path(), name));
    let (address, sent) = registry(folder.path());
    let limit = LAYER * 5 / 2;
    let cache = cache(folder.path(), limit);
    for name in ["a", "b", "a", "c"] {
        open(&address, name, cache.clone()).unwrap();
    }
    assert_eq!([a, b, c].map(|layer| has(&cache, layer)), [true, false, true]);
    assert!(Blob::total(&cache.blobs().unwrap()) <= limit);
    assert_eq!(
        sent.load(Ordering::Relaxed),
        3,
        "a was there when it was used again"
    );
    let used: Vec<_> = cache.blobs().unwrap().iter().map(|blob| blob.used).collect();
    assert!(used.is_sorted(), "{used:?}");
}

#[test]
fn what_is_in_use_stays() {
    let folder = tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| make(folder.path(), name));
    let (address, _) = registry(folder.path());
    let cache = cache(folder.path(), 0);
    let held = open(&address, "a", cache.clone()).unwrap();
    assert!(matches!(cache.prune(), Err(image::Error::InUse { .. })));
    let cleared = command("clear", folder.path());
    assert_eq!(cleared.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&cleared.stderr).contains("try again when that is done"));
    let also_held = open(&address, "b", cache.clone()).unwrap();
    assert_eq!([a, b].map(|layer| has(&cache, layer)), [true, true]);
    drop((held, also_held.clone()));
    assert!(cache.prune().is_err(), "a clone of b is held");
    drop(also_held);

    let listed = command("list", folder.path());
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains(&a.to_string()) && listed.contains("in 6 blobs"),
        "{listed}"
    );
    let pruned = command("prune", folder.path());
    assert_eq!(
        String::from_utf8(pruned.stdout).unwrap(),
        "removed 0 bytes in 0 blobs\n"
    );
    assert!(command("clear", folder.path()).status.success());
    assert!(cache.blobs().unwrap().is_empty());
}

#[test]
fn an_image_over_the_limit_is_fetched_once() {
    let folder = tempdir().unwrap();
    let layer = make(folder.path(), "a");
    let (address, sent) = registry(folder.path());
    let cache = cache(folder.path(), 1);
    for _ in 0..2 {
        open(&address, "a", cache.clone()).unwrap();
    }
    assert!(has(&cache, layer));
    assert_eq!(sent.load(Ordering::Relaxed), 1);
}

#[test]
fn what_was_left_behind_goes_and_what_is_not_ours_stays() {
    let folder = tempdir().unwrap();
    let blobs = folder.path().join("cache/blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let old = SystemTime::now() - Duration::from_secs(2 * 3600);
    let put = |name: &str, time: SystemTime| -> PathBuf {
        let path = blobs.join(name);
        File::create(&path).unwrap().set_modified(time).unwrap();
        path
    };
    let [left, young, other] = [
        put(".new-left", old),
        put(".new-young", SystemTime::now()),
        put("other", old),
    ];
    assert!(cache(folder.path(), 0).prune().unwrap().is_empty());
    assert_eq!(
        [left, young, other].map(|path| path.exists()),
        [false, false, true],
        "nothing is being fetched"
    );
}

#[test]
fn what_is_being_fetched_is_not_taken_for_left_behind() {
    let folder = tempdir().unwrap();
    make(folder.path(), "a");
    let layout = folder.path().join("a");
    let (cache, cleared) = (cache(folder.path(), u64::MAX), Arc::new(AtomicU64::new(0)));
    let (registry_cache, count) = (cache.clone(), cleared.clone());
    let digest: Digest = fs::read_to_string(layout.join("digest"))
        .unwrap()
        .parse()
        .unwrap();
    let address = serve(move |request, stream| {
        let body = content(&layout, request.path(), &digest).unwrap();
        // Of the layer half has arrived when another program clears the cache.
        if body.len() as u64 >= LAYER {
            let (half, rest) = body.split_at(body.len() / 2);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), half].concat());
            if registry_cache.prune().is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
            let _ = stream.write_all(rest);
        } else {
            reply(stream, "200 OK", &[], &body);
        }
    });
    open(&address, "a", cache).unwrap();
    assert_eq!(cleared.load(Ordering::Relaxed), 0);
}

#[test]
fn a_damaged_blob_is_fetched_again() {
    let folder = tempdir().unwrap();
    make(folder.path(), "a");
    let (address, _) = registry(folder.path());
    let cache = cache(folder.path(), u64::MAX);
    let digest = open(&address, "a", cache.clone()).unwrap().digest;
    let path = |digest: &Digest| folder.path().join("cache/blobs/sha256").join(digest.hex());
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(path(&digest)).unwrap()).unwrap();
    let config: Digest = manifest["config"]["digest"].as_str().unwrap().parse().unwrap();
    let image = format!("{address}/a@{digest}").parse().unwrap();
    for blob in [config, digest] {
        let sound = fs::read(path(&blob)).unwrap();
        let mut damaged = sound.clone();
        damaged[10] ^= 1;
        fs::write(path(&blob), damaged).unwrap();
        let options = Options::new(cache.clone());
        assert_eq!(block_on(image::open(&image, &options)).unwrap().digest, digest);
        assert!(fs::read(path(&blob)).unwrap() == sound);
    }
}

#[test]
fn a_cache_that_cannot_be_made_says_how_another_is_named() {
    let folder = tempdir().unwrap();
    make(folder.path(), "a");
    let (address, _) = registry(folder.path());
    fs::write(folder.path().join("file"), b"").unwrap();
    let cache = Cache::new(folder.path().join("file/cache"));
    let error = open(&address, "a", cache).unwrap_err();
    assert!(error.to_string().contains("--cache"), "{error}");
    assert!(!eif_build::Error::from(error).is_refusal());
}
