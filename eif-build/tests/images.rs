//! Images in folders and archives: how they are stored, and what they claim.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod common;

use std::{fs, path::Path};

use common::{Layer, Pack, block_on, gzip, options, small_image, zstd};
use eif_build::{
    Error, ImageRef,
    digest::Digest,
    image::{self, Image},
};
use tempfile::tempdir;

fn open(image: &ImageRef, folder: &Path) -> Result<Image, Error> {
    Ok(block_on(image::open(image, &options(folder)))?)
}

fn refusal(image: &ImageRef, folder: &Path) -> String {
    let error = open(image, folder).unwrap_err();
    assert!(error.is_refusal(), "{error}");
    error.to_string()
}

/// An archive as Docker before 25 saves an image of two equal layers, the second a link to the first.
fn saved(folder: &Path, link: impl Fn(Layer) -> Layer) -> ImageRef {
    let layer = Layer::new().file("a", b"a").tar();
    let digest = Digest::of(&layer);
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{"Cmd":["/a"]}},"rootfs":{{"type":"layers","diff_ids":["{digest}","{digest}"]}}}}"#
    );
    let outer = Layer::new()
        .file("config.json", config.as_bytes())
        .file("x/layer.tar", &layer);
    let outer = link(outer).file(
        "manifest.json",
        br#"[{"Config":"config.json","RepoTags":["a:1"],"Layers":["x/layer.tar","y/layer.tar"]}]"#,
    );
    let path = folder.join("docker.tar");
    fs::write(&path, outer.tar()).unwrap();
    format!("docker-archive:{}", path.display()).parse().unwrap()
}

#[test]
fn a_layer_that_an_archive_links_to_another_is_that_one() {
    let folder = tempdir().unwrap();
    for target in ["../x/layer.tar", ".././x/../x/layer.tar", "../z/layer.tar"] {
        let image = saved(folder.path(), |outer| {
            outer
                .symlink("y/layer.tar", target)
                .symlink("z/layer.tar", "../x/layer.tar")
        });
        let [first, second] = &open(&image, folder.path()).unwrap().layers[..] else {
            panic!("not two layers");
        };
        assert_eq!(
            (first.bytes.offset, first.bytes.size),
            (second.bytes.offset, second.bytes.size),
            "{target}"
        );
    }
}

#[test]
fn links_end_and_stay_in_their_archive() {
    let folder = tempdir().unwrap();
    let outside = folder.path().join("layer.tar");
    fs::write(&outside, Layer::new().file("a", b"a").tar()).unwrap();
    for target in [
        "../y/layer.tar",
        "../../x/layer.tar",
        "../../../x/layer.tar",
        "/x/layer.tar",
        "layer.tar",
        "../..",
        "",
        outside.to_str().unwrap(),
    ] {
        let image = saved(folder.path(), |outer| outer.symlink("y/layer.tar", target));
        let error = open(&image, folder.path()).unwrap_err().to_string();
        assert!(error.contains("it has no y/layer.tar"), "{target}: {error}");
    }
}

#[test]
fn an_archive_that_is_compressed_says_so() {
    let folder = tempdir().unwrap();
    let image = saved(folder.path(), |outer| {
        outer.symlink("y/layer.tar", "../x/layer.tar")
    });
    open(&image, folder.path()).unwrap();
    let path = folder.path().join("docker.tar");
    let plain = fs::read(&path).unwrap();
    for (pack, mend) in [(gzip as Pack, "gunzip"), (zstd, "unzstd")] {
        fs::write(&path, pack(&plain)).unwrap();
        for kind in ["docker-archive", "oci-archive"] {
            let image = format!("{kind}:{}", path.display()).parse().unwrap();
            let error = refusal(&image, folder.path());
            assert!(error.contains("compressed") && error.contains(mend), "{error}");
        }
    }
    fs::write(&path, b"what is no archive at all").unwrap();
    assert!(refusal(&image, folder.path()).contains("docker.tar"));
}

#[test]
fn what_a_layout_names_has_the_size_that_it_says() {
    let folder = tempdir().unwrap();
    let image = small_image(folder.path());
    open(&image, folder.path()).unwrap();
    let index = folder.path().join("image/index.json");
    let sound = fs::read_to_string(&index).unwrap();
    let digest = block_on(eif_build::resolve(&image, &options(folder.path()))).unwrap();
    let blobs = folder.path().join("image/blobs/sha256");
    let manifest = fs::read_to_string(blobs.join(digest.hex())).unwrap();

    // One byte more than there is: of the manifest, then of configuration and layer in turn.
    fs::write(&index, grown(&sound, 0)).unwrap();
    assert!(refusal(&image, folder.path()).contains("bytes instead of"));
    for which in 0..2 {
        let lying = grown(&manifest, which);
        let new = Digest::of(lying.as_bytes());
        fs::write(blobs.join(new.hex()), &lying).unwrap();
        fs::write(&index, sound.replace(&digest.hex(), &new.hex())).unwrap();
        assert!(refusal(&image, folder.path()).contains("bytes instead of"));
    }
}

/// The document, one of whose sizes is larger by one; the number of digits stays.
fn grown(json: &str, which: usize) -> String {
    let key = r#""size":"#;
    let at = json.match_indices(key).nth(which).unwrap().0 + key.len();
    let digits = json[at..].find(|it: char| !it.is_ascii_digit()).unwrap();
    let size: u64 = json[at..at + digits].parse().unwrap();
    assert_ne!(size % 10, 9);
    format!("{}{}{}", &json[..at], size + 1, &json[at + digits..])
}
