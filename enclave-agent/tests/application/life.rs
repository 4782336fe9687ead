//! Its life: starts, ends and what is left of them, restarts, health, output.

use crate::tree::{PATIENCE, health_when, image, launch, next, run, tree};
use contract::launch::{Probe, Workload};
use contract::statement::{Exit, HealthState};
use enclave_agent::Application;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;
use tokio::time::timeout;

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
