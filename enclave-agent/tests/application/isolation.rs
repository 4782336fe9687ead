//! What the application can reach: its image, and nothing else.

use crate::tree::{image, run, tree};
use contract::statement::{Exit, HealthState};
use std::collections::BTreeSet;
use std::fs;

#[tokio::test]
async fn it_sees_the_image_and_nothing_of_the_agent() {
    let Some(tree) = tree() else { return };
    fs::write(tree.path("/of-the-image"), "").unwrap();
    let script = "ls /; echo --; ls /dev /proc/self/fd; echo --; cat /proc/1/comm; echo $$; pwd; \
                  cat /etc/hostname /etc/hosts; echo --; cat /proc/self/mountinfo";
    let (output, health) = run(&tree, &image(script)).await;
    assert_eq!(health.last_exit, Some(Exit::Code(0)), "{output}");
    assert_eq!(
        (health.state, health.detail.as_str()),
        (HealthState::Healthy, "completed")
    );
    let mut parts = output.split("--\n");
    let root: BTreeSet<&str> = parts.next().unwrap().lines().collect();
    let mut expected: BTreeSet<&str> = [
        "bin",
        "dev",
        "etc",
        "of-the-image",
        "proc",
        "srv",
        "sys",
        "tmp",
        "usr",
    ]
    .into();
    for library in ["lib", "lib64"] {
        if tree.path(library).exists() {
            expected.insert(library);
        }
    }
    assert_eq!(root, expected);
    let devices: Vec<&str> = parts.next().unwrap().split_whitespace().collect();
    let expected = "/dev: fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
    assert_eq!(devices[..devices.len() - 5].join(" "), expected);
    assert_eq!(
        devices[devices.len() - 5..],
        ["/proc/self/fd:", "0", "1", "2", "3"],
        "3 is ls's own"
    );
    let identity = parts.next().unwrap();
    assert!(
        identity.starts_with("treza-agent\n2\n/srv/work\nenc_1\n127.0.0.1\tlocalhost enc_1\n"),
        "{identity}"
    );
    let here = tree.0.path().file_name().unwrap().to_str().unwrap();
    for mount in parts.next().unwrap().lines() {
        let fields: Vec<&str> = mount.split(' ').collect();
        let within = ["/", "/proc", "/sys", "/dev"]
            .iter()
            .any(|start| fields[4].starts_with(start));
        assert!(within, "{mount}");
        assert!(
            fields[4] != "/" || fields[3].contains(here) || fields[5].contains("nodev"),
            "{mount}"
        );
    }
}

#[tokio::test]
async fn root_has_dockers_capabilities_without_device_nodes() {
    let Some(tree) = tree() else { return };
    let script = "cat /proc/self/status; for path in /proc/sys/kernel/core_pattern /proc/sysrq-trigger \
                  /sys/kernel/uevent_helper; do (echo x > $path) 2>/dev/null && echo WROTE $path; done; \
                  mknod /tmp/node c 1 3 && echo MADE; mount -t proc proc /tmp && echo MOUNTED; \
                  cat /proc/1/environ && echo READ; ls /proc/1/root/ && echo ENTERED; \
                  kill -9 1; kill -TERM 1; sleep 0.1; echo still here";
    let (output, _) = run(&tree, &image(script)).await;
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert!(output.contains(&format!("{set}:\t00000000a00425fb")), "{output}");
    }
    for set in ["CapInh", "CapAmb"] {
        assert!(output.contains(&format!("{set}:\t0000000000000000")), "{output}");
    }
    for signals in ["SigBlk", "SigIgn"] {
        let set = output
            .split_once(&format!("{signals}:\t"))
            .unwrap()
            .1
            .lines()
            .next()
            .unwrap();
        // Without 32 and 33, which this machine's C library keeps to itself.
        assert_eq!(u64::from_str_radix(set, 16).unwrap() & !(3 << 31), 0, "{output}");
    }
    for reached in ["WROTE", "MADE", "MOUNTED", "READ", "ENTERED"] {
        assert!(!output.contains(reached), "{output}");
    }
    assert!(output.contains("still here"), "{output}");
    // Proof that the writes above would have been seen: nothing of this machine changed.
    assert_ne!(
        fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(),
        "x\n"
    );
}

#[tokio::test]
async fn device_nodes_of_the_image_are_dead_and_chroot_leads_nowhere() {
    let Some(tree) = tree() else { return };
    nix::sys::stat::mknod(
        &tree.path("/node"),
        nix::sys::stat::SFlag::S_IFCHR,
        nix::sys::stat::Mode::from_bits_truncate(0o666),
        nix::sys::stat::makedev(1, 5),
    )
    .unwrap();
    let escape = "mkdir('/tmp/x'); chroot('/tmp/x'); chdir('..') for 1..50; chroot('.'); \
                  opendir(D, '/'); print join(' ', sort readdir(D)), qq(\\n)";
    let script = format!("(read line < /node) 2>/dev/null && echo OPENED; perl -e \"{escape}\"; echo end");
    let (output, _) = run(&tree, &image(&script)).await;
    assert!(!output.contains("OPENED"), "{output}");
    assert!(
        output.contains("srv") && !output.contains("root") && output.contains("end"),
        "{output}"
    );
}
