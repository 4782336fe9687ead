//! Real guests under QEMU.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod support;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;
use std::time::Duration;
use support::{EVERY, PATIENCE, accept, answer_heartbeat, boot, config, read_pattern, write_pattern};

const MIB: usize = 1024 * 1024;

#[test]
fn data_goes_both_ways_in_writes_of_every_size() {
    let guest = boot(10);
    for (size, total) in [
        (1, 20_000),
        (7, 100_000),
        (4096, MIB),
        (33_000, 8 * MIB),
        (65_536, 8 * MIB),
        (262_144, 32 * MIB),
        (EVERY, 64 * MIB),
    ] {
        let mut source = guest.command(&format!("source {total} {size}"));
        assert_eq!(read_pattern(&mut source), total, "from the guest by {size}");
        let mut sink = guest.command("sink");
        write_pattern(&mut sink, total, size);
        sink.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        sink.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, format!("Ok({total})\n"), "to the guest by {size}");
    }
}

#[test]
fn an_echo_runs_both_ways_at_once() {
    let guest = boot(11);
    let mut stream = guest.command("echo");
    let mut writer = stream.try_clone().unwrap();
    let total = 16 * MIB;
    let written = thread::spawn(move || {
        write_pattern(&mut writer, total, 100_000);
        writer.shutdown(Shutdown::Write).unwrap();
    });
    assert_eq!(read_pattern(&mut stream), total);
    written.join().unwrap();
}

#[test]
fn the_host_is_cid_2_and_cid_3_and_nothing_else() {
    let guest = boot(12);
    let listener = UnixListener::bind(guest.directory.path().join("vsock.sock_1234")).unwrap();
    for cid in [2, 3] {
        thread::scope(|scope| {
            let answer = scope.spawn(|| guest.ask(&format!("dial {cid} 1234")));
            let mut stream = accept(&guest.enclave, &listener);
            let mut heard = [0; 5];
            stream.read_exact(&mut heard).unwrap();
            stream.write_all(b"from the host").unwrap();
            drop(stream);
            assert_eq!(answer.join().unwrap(), "connected from the host");
        });
    }
    assert_eq!(guest.ask("dial 4 1234"), "ConnectionReset");
}

#[test]
fn where_nobody_listens_the_answer_is_a_reset() {
    let guest = boot(13);
    assert_eq!(guest.ask("dial 3 4321"), "ConnectionReset");
    let refused = guest.enclave.connect(4321, PATIENCE).unwrap_err();
    assert!(refused.to_string().contains("port 4321"), "{refused}");
}

#[test]
fn either_end_may_close_one_direction() {
    let guest = boot(14);
    let mut stream = guest.command("half-close");
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "that is all");
    write_pattern(&mut stream, 300_000, 1000);
    stream.shutdown(Shutdown::Write).unwrap();
    let read = || {
        guest
            .ask("counters")
            .split(' ')
            .nth(1)
            .and_then(|read| read.parse::<usize>().ok())
    };
    while read() != Some(300_000) {
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_the_host_wrote_before_it_closed_arrives() {
    let guest = boot(15);
    let listener = UnixListener::bind(guest.directory.path().join("vsock.sock_77")).unwrap();
    let long = String::from_utf8(vec![b'x'; 150_000]).unwrap();
    thread::scope(|scope| {
        let answer = scope.spawn(|| guest.ask("dial 3 77"));
        let mut stream = accept(&guest.enclave, &listener);
        // Until it has read what the guest wrote, its closing would be the guest's failure to write.
        stream.read_exact(&mut [0; 5]).unwrap();
        stream.write_all(long.as_bytes()).unwrap();
        drop(stream);
        assert_eq!(answer.join().unwrap().len(), "connected ".len() + long.len());
    });
}

#[test]
fn a_host_that_does_not_read_stops_the_guest_and_nothing_else() {
    let guest = boot(16);
    let before = resident_kib();
    let mut paused: Vec<_> = (0..4)
        .map(|_| guest.command(&format!("source {} 65536", 8 * MIB)))
        .collect();
    let written = || {
        guest
            .ask("counters")
            .split(' ')
            .next()
            .unwrap()
            .parse::<usize>()
            .unwrap()
    };
    let (mut last, mut still) = (0, 0);
    while still < 10 {
        thread::sleep(Duration::from_millis(50));
        let now = written();
        still = if now == last && now > 0 { still + 1 } else { 0 };
        last = now;
    }
    assert!(
        last < 8 * MIB,
        "{last} bytes left the guest, and nobody reads them"
    );
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB more than before");
    for stream in &mut paused {
        assert_eq!(read_pattern(stream), 8 * MIB);
    }
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let anonymous = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    anonymous.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn the_nsm_answers_the_first_connection_of_a_boot_only() {
    let guest = boot(17);
    let first = guest.ask("nsm");
    assert!(first.contains(guest.enclave.module_id()), "{first}");
    assert_eq!(guest.ask("nsm"), "ConnectionReset");
}

#[test]
fn two_guests_of_a_hub_are_told_apart() {
    let hub = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(hub.path().join("9000.sock")).unwrap();
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let launch = |directory: &Path, cid| {
        emulator::Enclave::launch(emulator::Config {
            hub: Some(hub.path().to_owned()),
            ..config(directory, cid)
        })
    };
    let enclaves = [
        launch(directories[0].path(), 18).unwrap(),
        launch(directories[1].path(), 19).unwrap(),
    ];
    let taken = launch(directories[1].path(), 19).err().unwrap();
    assert!(
        matches!(taken, emulator::Error::CidTaken { cid: 19, .. }),
        "{taken}"
    );
    // Both stay open until both are there: a guest whose heartbeat breaks off ends, and either may come first.
    let mut streams = enclaves.each_ref().map(|enclave| accept(enclave, &listener));
    let mut prefaces = streams.each_mut().map(|stream| {
        let mut preface = [0; 7];
        stream.read_exact(&mut preface).unwrap();
        String::from_utf8(preface.to_vec()).unwrap()
    });
    prefaces.sort();
    assert_eq!(prefaces, ["CID 18\n", "CID 19\n"]);
    drop(enclaves);
    assert!(
        directories
            .iter()
            .all(|directory| std::fs::read_dir(directory.path()).unwrap().count() == 0)
    );
}

#[test]
fn ends_are_told_apart() {
    let panicked = boot(20);
    panicked.command("panic");
    let exit = panicked.enclave.wait(PATIENCE).unwrap();
    assert_eq!(exit.code, Some(0));
    assert!(
        exit.panic
            .is_some_and(|panic| panic.contains("Attempted to kill init")),
        "{}",
        exit.console_tail
    );

    let rebooted = boot(21);
    rebooted.command("reboot");
    let exit = rebooted.enclave.wait(PATIENCE).unwrap();
    assert_eq!((exit.code, exit.panic), (Some(0), None));
    assert!(rebooted.enclave.connect(5000, PATIENCE).is_err());

    let stopped = boot(22);
    assert!(stopped.enclave.try_wait().is_none());
    let pid = stopped.enclave.pid();
    assert_eq!(stopped.enclave.stop().signal, Some(9));
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    drop(stopped.enclave);
    assert_eq!(
        std::fs::read_dir(stopped.directory.path()).unwrap().count(),
        1,
        "only the test's own heartbeat socket"
    );
}

#[test]
fn an_enclave_of_a_shape_that_cannot_be_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let refuse = |change: &dyn Fn(&mut emulator::Config)| {
        let mut config = config(directory.path(), 23);
        change(&mut config);
        emulator::Enclave::launch(config).err().unwrap().to_string()
    };
    assert!(refuse(&|config| config.memory_mib = 63).contains("at least 64 MiB"));
    assert!(refuse(&|config| config.cpus = 0).contains("1 to 32"));
    assert!(refuse(&|config| config.cid = 3).contains("reserved"));
    assert!(refuse(&|config| config.eif = "/nowhere.eif".into()).contains("/nowhere.eif"));
    let large = directory.path().join("large.eif");
    std::fs::File::create(&large).unwrap().set_len(33 << 20).unwrap();
    assert!(refuse(&|config| config.eif.clone_from(&large)).contains("at least 132 MiB"));
    assert!(refuse(&|config| config.run_dir = directory.path().join("x".repeat(120))).contains("shorter"));
}

#[test]
fn several_cpus_boot_and_the_console_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let heartbeat = UnixListener::bind(directory.path().join("vsock.sock_9000")).unwrap();
    let enclave = emulator::Enclave::launch(emulator::Config {
        cpus: 2,
        ..config(directory.path(), 24)
    })
    .unwrap();
    answer_heartbeat(&enclave, &heartbeat);
    while !String::from_utf8_lossy(&enclave.console().snapshot()).contains("guest: up") {
        enclave.console().read(0, PATIENCE);
    }
}
