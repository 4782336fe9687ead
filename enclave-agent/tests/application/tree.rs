//! An application to start: its image's files, and its way to the end.

use contract::image::{Format, ImageDescription, User};
use contract::launch::{self, LaunchMessage, Workload};
use contract::statement::Health;
use enclave_agent::application::Reader;
use enclave_agent::{Application, Place};
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
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An image's files, made of this machine's programs and their libraries.
pub(crate) struct Tree(pub(crate) tempfile::TempDir);

pub(crate) fn tree() -> Option<Tree> {
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
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.0.path().join(inside.trim_start_matches('/'))
    }

    fn add(&self, file: &Path) {
        let target = self.path(file.to_str().unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }

    pub(crate) fn place(&self) -> Place {
        Place {
            agent: CString::new(env!("CARGO_BIN_EXE_treza-agent")).unwrap(),
            root: self.0.path().to_owned(),
            nsm: "/dev/null".into(),
        }
    }
}

pub(crate) fn image(script: &str) -> ImageDescription {
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

pub(crate) fn launch(workload: Workload) -> LaunchMessage {
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
pub(crate) async fn run(tree: &Tree, image: &ImageDescription) -> (String, Health) {
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
pub(crate) async fn next(reader: &mut Reader) -> Option<Vec<u8>> {
    timeout(PATIENCE, reader.next()).await.expect("no output came")
}

pub(crate) async fn health_when(application: &Application, reached: impl Fn(&Health) -> bool) -> Health {
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
