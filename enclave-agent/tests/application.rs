//! The application as it runs: started by the real program of the agent in real namespaces, from a small tree of this
//! machine's own programs. Needs root; without it, every test says that it skips.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use contract::image::{Format, ImageDescription, User, Xattr};
use contract::launch::{self, LaunchMessage, Probe, Variable, Workload};
use contract::statement::{Exit, Health, HealthState};
use enclave_agent::application::Reader;
use enclave_agent::{Application, Place};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const PROGRAMS: [&str; 10] = [
    "/bin/sh",
    "/bin/cat",
    "/bin/ls",
    "/bin/sleep",
    "/bin/kill",
    "/usr/bin/id",
    "/usr/bin/mknod",
    "/usr/bin/perl",
    "/usr/bin/touch",
    "/bin/mount",
];
/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// An image's files, made of this machine's programs and their libraries.
struct Tree(tempfile::TempDir);

fn tree() -> Option<Tree> {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can start an application");
        return None;
    }
    let tree = Tree(tempfile::tempdir().unwrap());
    fs::set_permissions(tree.0.path(), PermissionsExt::from_mode(0o755)).unwrap();
    for program in PROGRAMS {
        tree.add(Path::new(program));
        let listing = Command::new("ldd").arg(program).output().unwrap().stdout;
        for library in String::from_utf8(listing)
            .unwrap()
            .split_whitespace()
            .filter(|word| word.starts_with('/'))
        {
            tree.add(Path::new(library));
        }
    }
    Some(tree)
}

impl Tree {
    fn path(&self, inside: &str) -> PathBuf {
        self.0.path().join(inside.trim_start_matches('/'))
    }

    fn add(&self, file: &Path) {
        let target = self.path(file.to_str().unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }

    fn place(&self) -> Place {
        Place {
            agent: CString::new(env!("CARGO_BIN_EXE_treza-agent")).unwrap(),
            root: self.0.path().to_owned(),
            nsm: "/dev/null".into(),
        }
    }
}

fn image(script: &str) -> ImageDescription {
    ImageDescription {
        format: Format::V1,
        digest: format!("sha256:{}", "ab".repeat(32)),
        entrypoint: vec!["sh".into(), "-c".into()],
        cmd: vec![script.into()],
        env: vec!["PATH=/bin:/usr/bin".into(), "FROM=image".into()],
        working_dir: "/srv/work".into(),
        user: User {
            uid: 0,
            gid: 0,
            groups: vec![],
            home: "/root".into(),
        },
        exposed_ports: vec![],
        stop_signal: "SIGTERM".into(),
        nsm: false,
        xattrs: vec![],
    }
}

fn launch(workload: Workload) -> LaunchMessage {
    LaunchMessage {
        kind: launch::TYPE.into(),
        record_id: "enc_1".into(),
        generation: 1,
        bundle: format!("sha256:{}", "0".repeat(64)),
        environment: vec![],
        ports: vec![],
        probe: None,
        workload,
        aws_services: vec![],
    }
}

/// Runs `image` to its end, and what it wrote and how it was then.
async fn run(tree: &Tree, image: &ImageDescription) -> (String, Health) {
    let application = Application::start(tree.place(), image, &launch(Workload::Batch));
    let health = health_when(&application, |health| health.ended).await;
    let mut reader = application.output();
    application.stop(Duration::ZERO).await;
    let mut output = Vec::new();
    while let Some(chunk) = next(&mut reader).await {
        output.extend(chunk);
    }
    (String::from_utf8(output).unwrap(), health)
}

/// The next of the output; None at its end.
async fn next(reader: &mut Reader) -> Option<Vec<u8>> {
    timeout(PATIENCE, reader.next()).await.expect("no output came")
}

async fn health_when(application: &Application, reached: impl Fn(&Health) -> bool) -> Health {
    let wait = async {
        loop {
            let health = application.health();
            if reached(&health) {
                return health;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    match timeout(PATIENCE, wait).await {
        Ok(health) => health,
        Err(_) => panic!("never came to it: {:?}", application.health()),
    }
}

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

#[tokio::test]
async fn user_directory_and_environment_are_the_images() {
    let Some(tree) = tree() else { return };
    let mut image = image(
        "id -u; id -g; id -G; echo $FROM $HOME $HOSTNAME; cat /proc/self/status; umask; \
                           echo through > /dev/stdout; ulimit -n",
    );
    image.user = User {
        uid: 1234,
        gid: 2345,
        groups: vec![3456, 4567],
        home: "/home/app".into(),
    };
    let (output, health) = run(&tree, &image).await;
    assert_eq!(health.last_exit, Some(Exit::Code(0)), "{output}");
    assert!(
        output.starts_with("1234\n2345\n2345 3456 4567\nimage /home/app enc_1\n"),
        "{output}"
    );
    assert!(output.contains("CapEff:\t0000000000000000") && output.contains("CapPrm:\t0000000000000000"));
    assert!(output.ends_with("0022\nthrough\n1024\n"), "{output}");
}

#[tokio::test]
async fn the_launch_message_adds_to_the_environment() {
    let Some(tree) = tree() else { return };
    let mut launch = launch(Workload::Batch);
    launch.environment = vec![Variable {
        name: "FROM".into(),
        value: "launch message".into(),
    }];
    let application = Application::start(tree.place(), &image("echo $FROM"), &launch);
    health_when(&application, |health| health.ended).await;
    assert_eq!(
        next(&mut application.output()).await.unwrap(),
        b"launch message\n"
    );
}

#[tokio::test]
async fn the_secure_module_is_there_for_those_who_asked() {
    let Some(tree) = tree() else { return };
    let mut image = image("ls /dev/nsm && echo hello > /dev/nsm && echo usable");
    image.user.uid = 1000;
    let (output, _) = run(&tree, &image).await;
    assert!(!output.contains("usable"), "{output}");
    image.nsm = true;
    let (output, _) = run(&tree, &image).await;
    assert_eq!(output, "/dev/nsm\nusable\n");
}

#[tokio::test]
async fn attributes_that_the_ramdisk_could_not_carry_are_set() {
    let Some(tree) = tree() else { return };
    let mut image = image("true");
    // cap_net_raw=ep, revision 2 (linux/capability.h, struct vfs_cap_data)
    let value = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    image.xattrs = vec![Xattr {
        path: "bin/cat".into(),
        name: "security.capability".into(),
        value,
    }];
    let (output, health) = run(&tree, &image).await;
    assert_eq!(health.last_exit, Some(Exit::Code(0)), "{output}");
    if output.contains("cannot set") {
        println!("skipped: the file system of the temporary directory has no such attributes: {output}");
        return;
    }
    image.xattrs.clear();
    image.user.uid = 1000;
    image.cmd = vec!["cat /proc/self/status".into()];
    let (output, _) = run(&tree, &image).await;
    assert!(output.contains("CapEff:\t0000000000002000"), "{output}");
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let Some(tree) = tree() else { return };
    fs::write(tree.path("/bin/script"), "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(tree.path("/bin/script"), PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(tree.path("/bin/text"), "no program\n").unwrap();
    fs::write(tree.path("/bin/garbage"), [0x7f, b'E', b'L', b'F', 1]).unwrap();
    fs::set_permissions(tree.path("/bin/garbage"), PermissionsExt::from_mode(0o755)).unwrap();
    for (program, code, reason) in [
        ("absent", 127, "the image has no absent in its PATH"),
        ("/absent", 127, "the image has no /absent"),
        ("script", 127, "not the interpreter"),
        ("text", 126, "text is not executable"),
        ("/bin", 126, "/bin is not executable"),
        ("garbage", 126, "no program"),
    ] {
        let mut image = image("");
        image.entrypoint = vec![program.into()];
        let application = Application::start(tree.place(), &image, &launch(Workload::Service));
        let health = health_when(&application, |health| health.ended).await;
        assert_eq!(health.state, HealthState::Unhealthy);
        assert_eq!(health.last_exit, Some(Exit::Code(code)), "{health:?}");
        assert!(health.detail.contains(reason), "{health:?}");
    }
}

#[tokio::test]
async fn a_batch_that_fails_leaves_its_exit_and_last_lines() {
    let Some(tree) = tree() else { return };
    let (_, health) = run(
        &tree,
        &image("echo first; echo 'cannot reach the ledger' >&2; exit 3"),
    )
    .await;
    assert_eq!(
        (health.state, health.last_exit),
        (HealthState::Unhealthy, Some(Exit::Code(3)))
    );
    assert!(
        health.detail.ends_with("first\ncannot reach the ledger"),
        "{}",
        health.detail
    );
    for signal in [libc::SIGKILL, libc::SIGRTMIN() + 3] {
        let (_, health) = run(&tree, &image(&format!("kill -{signal} $$"))).await;
        assert_eq!(health.last_exit, Some(Exit::Signal(signal)));
    }
}

#[tokio::test]
async fn a_service_that_ends_at_once_is_tried_three_times() {
    let Some(tree) = tree() else { return };
    let application = Application::start(
        tree.place(),
        &image("echo try; exit 7"),
        &launch(Workload::Service),
    );
    let health = health_when(&application, |health| health.ended).await;
    assert_eq!((health.state, health.restarts), (HealthState::Unhealthy, 2));
    assert_eq!(
        health.detail,
        "ended with exit code 7\nlast output:\ntry\ntry\ntry"
    );
}

#[tokio::test]
async fn a_service_that_dies_is_started_again_with_all_of_it_gone() {
    let Some(tree) = tree() else { return };
    // The first run leaves a child behind, which must not live on; the second stays.
    let script = "if [ -e /run-before ]; then ls /proc; echo second; sleep 1000; fi; \
                  touch /run-before; sleep 1000 & sleep 1; exit 1";
    let application = Application::start(tree.place(), &image(script), &launch(Workload::Service));
    let health = health_when(&application, |health| {
        health.restarts == 1 && health.state == HealthState::Healthy
    })
    .await;
    assert_eq!(health.last_exit, Some(Exit::Code(1)));
    let output = String::from_utf8(next(&mut application.output()).await.unwrap()).unwrap();
    let processes = output
        .lines()
        .filter(|line| line.bytes().all(|byte| byte.is_ascii_digit()))
        .count();
    assert_eq!(processes, 3, "process 1, the shell, ls: {output}");
    application.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn orphans_are_reaped() {
    let Some(tree) = tree() else { return };
    let script = "for i in 1 2 3; do (sh -c 'exit 0' &); done; sleep 0.5; cat /proc/[0-9]*/stat";
    let (output, health) = run(&tree, &image(script)).await;
    assert_eq!(health.last_exit, Some(Exit::Code(0)));
    assert!(!output.contains(") Z "), "{output}");
}

#[tokio::test]
async fn a_stop_asks_first_and_then_ends_everything() {
    let Some(tree) = tree() else { return };
    let polite = "trap 'echo ended in good order; exit 0' QUIT; echo ready; while :; do sleep 0.01; done";
    let stubborn = "trap '' QUIT TERM; echo ready; sleep 1000 & while :; do sleep 0.01; done";
    for (script, last_words) in [(polite, Some("ended in good order\n")), (stubborn, None)] {
        let mut image = image(script);
        image.stop_signal = "SIGQUIT".into();
        let application = Application::start(tree.place(), &image, &launch(Workload::Service));
        let mut reader = application.output();
        let mut output = next(&mut reader).await.unwrap();
        let grace = if last_words.is_some() {
            PATIENCE
        } else {
            Duration::from_millis(100)
        };
        timeout(PATIENCE, application.stop(grace)).await.unwrap();
        while let Some(chunk) = next(&mut reader).await {
            output.extend(chunk);
        }
        let output = String::from_utf8(output).unwrap();
        assert!(
            // The signal goes to its children too: a shell may say so of one in between.
            last_words.is_none_or(|expected| output.starts_with("ready\n") && output.ends_with(expected)),
            "{output}"
        );
    }
    let left = Command::new("sh")
        .arg("-c")
        .arg("cat /proc/[0-9]*/mountinfo 2>/dev/null")
        .output()
        .unwrap()
        .stdout;
    let here = tree.0.path().file_name().unwrap().to_str().unwrap();
    assert!(
        !String::from_utf8_lossy(&left).contains(here),
        "no process is left in the tree's namespaces"
    );
}

#[tokio::test]
async fn health_follows_the_probe() {
    let Some(tree) = tree() else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    // An HTTP server whose answer is in a file; it begins to listen after a while.
    let script = format!(
        r#"$| = 1; sleep 1; socket(S, 2, 1, 0); setsockopt(S, 1, 2, pack('l', 1));
           bind(S, pack('S n C4 x8', 2, {port}, 127, 0, 0, 1)); listen(S, 9);
           while (accept(C, S)) {{ <C>; open(F, '<', '/status'); print C 'HTTP/1.1 ', <F>; close F; close C }}"#
    );
    fs::write(tree.path("/status"), "200 OK\r\n\r\n").unwrap();
    fs::write(tree.path("/server.pl"), script).unwrap();
    let mut launch = launch(Workload::Service);
    launch.ports = vec![port];
    launch.probe = Some(Probe {
        path: "/".into(),
        interval_seconds: 1,
    });
    let application = Application::start(tree.place(), &image("exec perl /server.pl"), &launch);
    assert_eq!(application.health().state, HealthState::Unknown);
    health_when(&application, |health| health.state == HealthState::Healthy).await;
    fs::write(tree.path("/status"), "500 Broken\r\n\r\n").unwrap();
    let health = health_when(&application, |health| health.state == HealthState::Degraded).await;
    assert!(health.detail.contains("status 500"), "{}", health.detail);
    health_when(&application, |health| health.state == HealthState::Unhealthy).await;
    fs::write(tree.path("/status"), "204 Fine\r\n\r\n").unwrap();
    health_when(&application, |health| health.state == HealthState::Healthy).await;
    application.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_writer_never_waits_for_a_reader() {
    let Some(tree) = tree() else { return };
    let script = "perl -e 'print \"x\" x 99, \"\\n\" for 1..100000'; echo done";
    let application = Application::start(tree.place(), &image(script), &launch(Workload::Batch));
    let mut reader = application.output();
    let health = health_when(&application, |health| health.ended).await;
    assert_eq!(health.last_exit, Some(Exit::Code(0)));
    let mut output = Vec::new();
    while !output.ends_with(b"done\n") {
        output.extend(next(&mut reader).await.unwrap());
    }
    assert!(
        output.starts_with(b"[treza-agent: "),
        "{}",
        String::from_utf8_lossy(&output[..100])
    );
    assert!(output.len() < 70_000);
}

#[test]
fn the_program_is_of_no_use_but_as_process_1() {
    let output = Command::new(env!("CARGO_BIN_EXE_treza-agent")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("process 1 of an enclave"));
}
