//! Bundles: named by their content, checked, carried from store to store.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod common;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use common::{block_on, options, small_image};
use eif_build::{
    bundle::{Blobs, Bundle, Error, Machine, Store},
    cpio,
    digest::Digest,
};
use tempfile::{TempDir, tempdir};

#[test]
fn bundles_are_named_by_their_content_and_checked() {
    let folder = tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let (kernel, agent) = (file("bzImage", b"kernel"), file("agent", b"agent"));
    let modules = [file("vsock.ko", b"\x7fELF1"), file("cuse.ko", b"\x7fELF2")];
    let store = Store::new(folder.path().join("bundles"));
    assert!(store.default_digest().is_err());
    let made = store
        .create(&kernel, "quiet", &agent, &modules, Machine::Acpi)
        .unwrap();
    let again = store
        .create(&kernel, "quiet", &agent, &modules, Machine::Acpi)
        .unwrap();
    assert_eq!(made.digest(), again.digest());
    store.set_default(&made.digest()).unwrap();
    assert_eq!(
        (store.list().unwrap(), store.default_digest().unwrap()),
        (vec![made.digest()], made.digest())
    );
    let opened = store.open(&made.digest()).unwrap();
    assert_eq!((opened.machine(), opened.pcr1()), (Machine::Acpi, made.pcr1()));

    let mut archive = cpio::Reader::new(&opened.boot[..]);
    let mut names = Vec::new();
    while let Some(entry) = archive.next_entry().unwrap() {
        names.push(String::from_utf8(entry.path).unwrap());
    }
    let expected = "dev dev/console init proc sys tmp treza treza/modules treza/modules/00-vsock.ko treza/modules/01-cuse.ko";
    assert_eq!(names.join(" "), expected);

    let other = store
        .create(&kernel, "loud", &agent, &modules, Machine::Acpi)
        .unwrap();
    assert_ne!(other.digest(), made.digest());
    let reordered = store
        .create(
            &kernel,
            "quiet",
            &agent,
            &[modules[1].clone(), modules[0].clone()],
            Machine::Acpi,
        )
        .unwrap();
    assert_ne!(reordered.digest(), made.digest());
    assert!(store.create(&kernel, "a\nb", &agent, &[], Machine::Acpi).is_err());
    assert!(
        store
            .create(
                &kernel,
                "quiet",
                &agent,
                std::slice::from_ref(&kernel),
                Machine::Acpi
            )
            .is_err()
    );

    let part = folder
        .path()
        .join("bundles")
        .join(made.digest().hex())
        .join("kernel");
    fs::write(part, b"another").unwrap();
    assert!(matches!(store.open(&made.digest()), Err(Error::Damaged { .. })));
    assert!(matches!(store.open(&Digest::of(b"")), Err(Error::Unknown { .. })));
    let renamed = folder.path().join("bundles").join(Digest::of(b"").hex());
    fs::rename(folder.path().join("bundles").join(other.digest().hex()), renamed).unwrap();
    assert!(store.open(&Digest::of(b"")).is_err());
    assert!(Bundle::open(folder.path()).is_err());
}

/// A folder with a kernel and an agent, and a store.
fn store() -> (TempDir, Store, PathBuf, PathBuf) {
    let folder = tempdir().unwrap();
    let (kernel, agent) = (folder.path().join("bzImage"), folder.path().join("agent"));
    fs::write(&kernel, b"kernel").unwrap();
    fs::write(&agent, b"agent").unwrap();
    let store = Store::new(folder.path().join("bundles"));
    (folder, store, kernel, agent)
}

#[test]
fn a_bundle_is_carried_to_another_store() {
    let (folder, store, kernel, agent) = store();
    let made = store
        .create(&kernel, "quiet", &agent, &[], Machine::Cmdline)
        .unwrap();
    let (first, second) = (folder.path().join("1.tar"), folder.path().join("2.tar"));
    store.export(&made.digest(), &first).unwrap();
    store.export(&made.digest(), &second).unwrap();
    assert!(fs::read(&first).unwrap() == fs::read(&second).unwrap());
    let other = Store::new(folder.path().join("others"));
    assert_eq!(other.import(&first).unwrap().digest(), made.digest());
    assert_eq!(
        other.import(&first).unwrap().digest(),
        made.digest(),
        "twice is once"
    );
    assert_eq!(other.open(&made.digest()).unwrap().pcr1(), made.pcr1());
    assert_eq!(other.list().unwrap(), [made.digest()]);
}

#[test]
fn a_damaged_bundle_is_replaced_by_a_sound_one() {
    let (folder, store, kernel, agent) = store();
    let create = || {
        store
            .create(&kernel, "quiet", &agent, &[], Machine::Cmdline)
            .unwrap()
    };
    let digest = create().digest();
    let file = folder.path().join("a.tar");
    store.export(&digest, &file).unwrap();
    let kept = store.folder().join(digest.hex());
    let whole = || {
        store.open(&digest).unwrap();
        assert_eq!(
            fs::read_dir(store.folder()).unwrap().count(),
            2,
            "the bundle and the lock"
        );
    };
    fs::remove_file(kept.join("kernel")).unwrap();
    store.import(&file).unwrap();
    whole();
    fs::write(kept.join("boot.cpio"), b"another").unwrap();
    create();
    whole();
    fs::write(kept.join("manifest.json"), b"{}").unwrap();
    store.import(&file).unwrap();
    whole();
    fs::remove_dir_all(&kept).unwrap();
    fs::write(&kept, b"a file in its place").unwrap();
    store.import(&file).unwrap();
    whole();
    fs::write(kept.join("note"), b"mine").unwrap();
    store.import(&file).unwrap();
    assert!(kept.join("note").exists(), "a sound bundle is left as it is");
}

#[test]
fn an_exported_bundle_has_the_modes_of_any_new_file() {
    let (folder, store, kernel, agent) = store();
    let made = store
        .create(&kernel, "quiet", &agent, &[], Machine::Cmdline)
        .unwrap();
    let file = folder.path().join("a.tar");
    store.export(&made.digest(), &file).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&file), mode(&agent));
}

#[test]
fn what_is_no_exported_bundle_is_refused() {
    let (folder, store, kernel, agent) = store();
    let made = store
        .create(&kernel, "quiet", &agent, &[], Machine::Cmdline)
        .unwrap();
    let path = folder.path().join("a.tar");
    store.export(&made.digest(), &path).unwrap();
    let whole = fs::read(&path).unwrap();
    let other = Store::new(folder.path().join("others"));
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = eif_build::Error::from(other.import(&path).unwrap_err());
        assert_eq!(other.list().unwrap(), [], "nothing is kept");
        assert!(error.is_refusal(), "{error}");
        error.to_string()
    };
    // Headers of 512 bytes; the kernel's content begins behind its own.
    let kernel_at = whole.windows(7).position(|it| it == b"kernel\0").unwrap();
    let mut damaged = whole.clone();
    damaged[kernel_at + 512] ^= 1;
    assert!(refused(&damaged).contains("instead of"));
    let mut renamed = whole.clone();
    renamed[kernel_at] = b'K';
    refused(&renamed);
    for length in (0..whole.len() - 1024).step_by(97) {
        refused(&whole[..length]);
    }
    let mut more = tar::Builder::new(whole[..whole.len() - 1024].to_vec());
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    more.append_data(&mut header, "more", &b""[..]).unwrap();
    assert!(refused(&more.into_inner().unwrap()).contains("something follows"));
    // A part that claims to be larger than any part may be, and is not there.
    let mut claims = whole.clone();
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes().copy_from_slice(&claims[..512]);
    header.set_size(5000);
    header.set_cksum();
    claims[..512].copy_from_slice(header.as_bytes());
    assert!(refused(&claims).contains("at most 4096"));
    assert!(refused(b"").contains("manifest.json is missing"));
    // 148: a header's checksum, in octal digits.
    for (at, byte) in [(148, b'9'), (kernel_at + 148, b'x'), (kernel_at + 124, b'x')] {
        let mut header = whole.clone();
        header[at] = byte;
        refused(&header);
    }
    // Behind the archive's end, where a reader of archives does not look: one byte, another archive, too much of nothing.
    for behind in [&b"x"[..], &whole, &vec![0; 1 << 20]] {
        assert!(refused(&[&whole, behind].concat()).contains("something follows"));
    }
    fs::write(&path, [&whole[..], &[0; 8192]].concat()).unwrap();
    assert_eq!(
        other.import(&path).unwrap().digest(),
        made.digest(),
        "padded as tar pads"
    );
}

#[test]
fn prune_keeps_the_default_and_what_is_named() {
    let (folder, store, kernel, agent) = store();
    let make = |cmdline: &str| {
        let bundle = store
            .create(&kernel, cmdline, &agent, &[], Machine::Cmdline)
            .unwrap();
        bundle.digest()
    };
    let (one, two, three) = (make("1"), make("2"), make("3"));
    assert!(
        matches!(store.prune(&[]), Err(Error::NoDefault(_))),
        "without a default nothing is removed"
    );
    assert_eq!(store.list().unwrap().len(), 3);
    store.set_default(&one).unwrap();
    assert!(
        matches!(store.prune(&[Digest::of(b"")]), Err(Error::Unknown { .. })),
        "without one that is to be kept nothing is removed"
    );
    assert_eq!(store.list().unwrap().len(), 3);
    let half_made = folder.path().join("bundles/.new-killed");
    fs::create_dir(&half_made).unwrap();
    fs::write(half_made.join("kernel"), b"k").unwrap();
    assert_eq!(store.prune(&[two]).unwrap(), [three]);
    assert!(!half_made.exists());
    let mut left = [one, two];
    left.sort();
    assert_eq!(store.list().unwrap(), left);
    assert_eq!(store.prune(&[]).unwrap(), [two]);
    assert_eq!(store.open(&one).unwrap().digest(), one);
    assert_eq!(
        fs::read_dir(folder.path().join("bundles")).unwrap().count(),
        3,
        "the bundle, the default and the lock"
    );
}

#[test]
fn prune_leaves_alone_what_is_being_written() {
    let (folder, store, kernel, agent) = store();
    let default = store
        .create(&kernel, "default", &agent, &[], Machine::Cmdline)
        .unwrap();
    let made = store
        .create(&kernel, "quiet", &agent, &[], Machine::Cmdline)
        .unwrap();
    store.set_default(&default.digest()).unwrap();
    let file = folder.path().join("a.tar");
    store.export(&made.digest(), &file).unwrap();
    let done = AtomicBool::new(false);
    let import = || -> Result<Vec<Bundle>, Error> { (0..200).map(|_| store.import(&file)).collect() };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                store.prune(&[]).unwrap();
            }
        });
        let other = scope.spawn(import);
        let imported = [import(), other.join().unwrap()];
        done.store(true, Ordering::Relaxed);
        for result in imported {
            result.unwrap();
        }
    });
    store.prune(&[]).unwrap();
    assert_eq!(
        fs::read_dir(store.folder()).unwrap().count(),
        3,
        "the bundle, the default and the lock"
    );
}

/// As if it had been made for another version of the builder.
fn of_another_builder(store: &Path, bundle: &Bundle) -> Digest {
    let manifest = String::from_utf8(bundle.manifest().to_json()).unwrap();
    let manifest = manifest.replace("\"builderFormat\":1", "\"builderFormat\":99");
    let digest = Digest::of(manifest.as_bytes());
    fs::rename(store.join(bundle.digest().hex()), store.join(digest.hex())).unwrap();
    fs::write(store.join(digest.hex()).join("manifest.json"), manifest).unwrap();
    digest
}

#[test]
fn a_bundle_of_another_builder_is_kept_and_named_but_not_built_with() {
    let (folder, store, kernel, agent) = store();
    let made = store
        .create(&kernel, "quiet", &agent, &[], Machine::Cmdline)
        .unwrap();
    let digest = of_another_builder(store.folder(), &made);
    let opened = store.open(&digest).unwrap();
    assert_eq!((opened.digest(), opened.pcr1()), (digest, made.pcr1()));
    let file = folder.path().join("old.tar");
    store.export(&digest, &file).unwrap();
    let other = Store::new(folder.path().join("others"));
    assert_eq!(other.import(&file).unwrap().digest(), digest);
    let image = small_image(folder.path());
    let refused = block_on(eif_build::measure(&image, &opened, &options(folder.path()))).unwrap_err();
    assert!(
        refused.is_refusal() && refused.to_string().contains("format 99"),
        "{refused}"
    );
}

/// Files of the names that AWS's package has, of our own content.
fn blobs(folder: &Path, names: &[&str]) -> PathBuf {
    let blobs = folder.join(names.join("-"));
    fs::create_dir(&blobs).unwrap();
    for name in names {
        let content: &[u8] = match *name {
            "cmdline" => b"reboot=k panic=30 pci=off nomodules console=ttyS0 random.trust_cpu=on\n",
            "nsm.ko" => b"\x7fELF driver",
            _ => b"a kernel, or what else has the name",
        };
        fs::write(blobs.join(name), content).unwrap();
    }
    blobs
}

#[test]
fn awss_blobs_become_a_bundle_with_our_agent() {
    let (folder, store, _, agent) = store();
    let all = [
        "bzImage",
        "bzImage.config",
        "cmdline",
        "init",
        "linuxkit",
        "nsm.ko",
    ];
    let found = Blobs::open(&blobs(folder.path(), &all)).unwrap();
    let bundle = store
        .create(
            &found.kernel,
            &found.cmdline,
            &agent,
            &found.modules,
            Machine::Cmdline,
        )
        .unwrap();
    assert_eq!(
        bundle.cmdline,
        "reboot=k panic=30 pci=off nomodules console=ttyS0 random.trust_cpu=on"
    );
    let mut archive = cpio::Reader::new(&bundle.boot[..]);
    let (mut init, mut driver) = (Vec::new(), Vec::new());
    while let Some(entry) = archive.next_entry().unwrap() {
        match &entry.path[..] {
            b"init" => archive.copy_data(&mut init).unwrap(),
            b"treza/modules/00-nsm.ko" => archive.copy_data(&mut driver).unwrap(),
            _ => {}
        }
    }
    assert_eq!((&init[..], &driver[..]), (&b"agent"[..], &b"\x7fELF driver"[..]));

    let newer = Blobs::open(&blobs(folder.path(), &["bzImage", "cmdline", "init"])).unwrap();
    assert_eq!(newer.modules, Vec::<PathBuf>::new(), "the driver is built in");
    let refused = |names: &[&str]| Blobs::open(&blobs(folder.path(), names)).unwrap_err().to_string();
    assert!(refused(&["Image", "cmdline", "nsm.ko"]).contains("arm64"));
    assert!(refused(&["cmdline"]).contains("NITRO_CLI_BLOBS"));
    assert!(refused(&["bzImage", "nsm.ko"]).contains("cmdline"));
}
