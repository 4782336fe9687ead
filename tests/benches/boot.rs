//! exec of QEMU → attested, against a bare init that only sends the heartbeat: `boot ROUNDS BARE.eif EIF…`. One boot of each in every
//! round, so that whatever else the machine does falls on all alike. It prints a line for each EIF: its path and its median in ms.
//! `scripts/bench.sh` makes the EIFs and reads the lines.
#![allow(missing_docs)]

use attestation::Root;
use client::Expectation;
use client::evidence::verify;
use contract::agent::{Answer, Request, content_length};
use contract::launch::{LaunchMessage, TYPE, Workload};
use contract::ports::{AGENT, HEARTBEAT, HEARTBEAT_BYTE};
use emulator::{Config, Enclave, Machine};
use nsm::development::Authority;
use std::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

/// Long enough for a boot on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the agent is dialled until it listens: as often as the daemon's holder does.
const AGAIN: Duration = Duration::from_millis(20);
/// What a row gets that asks for nothing else.
const MEMORY_MIB: u32 = 1024;
const CPUS: u32 = 2;
const CID: u32 = 16;
const INSTANCE: &str = "i-0123456789abcdef0";
const NONCE: [u8; 32] = [7; 32];

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let [rounds, eifs @ ..] = &arguments[..] else {
        println!("run scripts/bench.sh");
        return Ok(());
    };
    let directory = tempfile::tempdir()?;
    let authority = Arc::new(Authority::open(directory.path())?);
    let mut times = vec![Vec::new(); eifs.len()];
    for _ in 0..rounds.parse()? {
        for (at, eif) in eifs.iter().enumerate() {
            let boot = Boot::start(Path::new(eif), authority.clone())?;
            boot.heartbeat()?;
            let heartbeat = boot.exec.elapsed();
            if at > 0 {
                boot.attest(&authority)?;
            }
            let whole = boot.exec.elapsed();
            times[at].push(whole);
            let (heartbeat, whole) = (heartbeat.as_millis(), whole.as_millis());
            eprintln!("{eif}: heartbeat after {heartbeat} ms, done after {whole} ms");
        }
    }
    for (eif, times) in eifs.iter().zip(&mut times) {
        times.sort();
        println!("{eif} {}", times[times.len() / 2].as_millis());
    }
    Ok(())
}

struct Boot {
    enclave: Enclave,
    heartbeats: UnixListener,
    /// When QEMU was executed.
    exec: Instant,
    _directory: TempDir,
}

impl Boot {
    fn start(eif: &Path, authority: Arc<Authority>) -> Outcome<Boot> {
        let directory = tempfile::tempdir()?;
        let heartbeats = UnixListener::bind(directory.path().join(format!("vsock.sock_{HEARTBEAT}")))?;
        let enclave = Enclave::launch(Config {
            eif: eif.to_owned(),
            machine: Machine::Cmdline,
            memory_mib: MEMORY_MIB,
            cpus: CPUS,
            cid: CID,
            debug: false,
            instance_id: INSTANCE.into(),
            run_dir: directory.path().to_owned(),
            authority,
            hub: None,
            force_tcg: false,
        })?;
        let exec = executed(enclave.pid())?;
        Ok(Boot {
            enclave,
            heartbeats,
            exec,
            _directory: directory,
        })
    }

    fn heartbeat(&self) -> Outcome<()> {
        self.heartbeats.set_nonblocking(true)?;
        let mut stream = self.retry(|| Ok(self.heartbeats.accept()?.0), Duration::from_millis(1))?;
        stream.set_nonblocking(false)?;
        let mut beat = [0];
        stream.read_exact(&mut beat)?;
        assert_eq!(beat, [HEARTBEAT_BYTE]);
        Ok(stream.write_all(&beat)?)
    }

    /// Launch message, challenge and verification, as the daemon does them.
    fn attest(&self, authority: &Authority) -> Outcome<()> {
        let message = LaunchMessage {
            kind: TYPE.into(),
            record_id: "bench".into(),
            generation: 1,
            bundle: "sha256:0".into(),
            environment: Vec::new(),
            ports: Vec::new(),
            probe: None,
            workload: Workload::Service,
            aws_services: Vec::new(),
        };
        let launch = Request::Launch(message.encode());
        let stream = self.retry(|| Ok(self.enclave.connect(AGENT, PATIENCE)?), AGAIN)?;
        let Answer::Launched(_) = ask(stream, &launch)? else {
            return Err("the launch message was refused".into());
        };
        let stream = self.enclave.connect(AGENT, PATIENCE)?;
        let Answer::Evidence { statement, document } = ask(stream, &Request::Challenge(NONCE.into()))? else {
            return Err("the challenge was refused".into());
        };
        let pcrs = self.enclave.pcrs();
        let expectation = Expectation {
            record_id: Some("bench".into()),
            instance_id: Some(INSTANCE.into()),
            launch_digest: Some(message.digest()),
            pcrs: [(0, pcrs.pcr0), (1, pcrs.pcr1), (2, pcrs.pcr2)]
                .map(|(index, pcr)| (index, vec![pcr.0]))
                .into(),
            nonces: vec![NONCE.into()],
            ..Expectation::default()
        };
        let root = Root::from_der(authority.certificate())?;
        verify(&statement, &document, &expectation, &[root], SystemTime::now())?;
        Ok(())
    }

    /// Tries until it works, the enclave ends, or patience does.
    fn retry<T>(&self, attempt: impl Fn() -> Outcome<T>, pause: Duration) -> Outcome<T> {
        loop {
            match attempt() {
                Ok(done) => return Ok(done),
                Err(error) if self.exec.elapsed() > PATIENCE => return Err(error),
                Err(_) => {}
            }
            if let Some(exit) = self.enclave.wait(pause) {
                return Err(format!("the enclave ended: {exit:?}").into());
            }
        }
    }
}

fn ask(mut stream: UnixStream, request: &Request) -> Outcome<Answer> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&request.to_frame())?;
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let mut content = vec![0; content_length(head)?];
    stream.read_exact(&mut content)?;
    Ok(Answer::decode(&content)?)
}

/// When a process was started, to 10 ms: field 22 of /proc/pid/stat (proc(5)), in ticks of 1/100 s since the boot.
fn executed(pid: u32) -> Outcome<Instant> {
    let stat = std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat")))?;
    // The second field may hold spaces; it ends with the last parenthesis.
    let fields = stat
        .rsplit_once(')')
        .map(|(_, fields)| fields)
        .unwrap_or_default();
    let ticks: u64 = fields
        .split_whitespace()
        .nth(19)
        .ok_or("no start time")?
        .parse()?;
    let uptime = std::fs::read_to_string("/proc/uptime")?;
    let now: f64 = uptime.split_whitespace().next().ok_or("no uptime")?.parse()?;
    let age = Duration::from_millis((now * 1000.0) as u64).saturating_sub(Duration::from_millis(ticks * 10));
    Instant::now()
        .checked_sub(age)
        .ok_or_else(|| io::Error::other("no such time").into())
}
