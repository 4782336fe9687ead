//! The driver for a machine without Nitro hardware: crate `emulator`.

use super::{Console, Driver, Enclave};
use crate::Error;
use crate::enclave_dir::{EnclaveDir, Ended, Spec};
use crate::files::text_tail;
use contract::fault::printable;
use eif_build::bundle::Machine;
use emulator::{Acceleration, Config, Exit};
use nsm::development::Authority;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// The most bytes of the line that answers `CONNECT`.
const MAX_GREETING: usize = 32;
/// The most bytes of a console that are kept of an enclave that ended.
const TAIL: usize = 4096;

/// Runs enclaves under QEMU.
#[derive(Debug, Clone, Copy)]
pub struct Emulator;

impl Driver for Emulator {
    type Stream = UnixStream;
    type Enclave = emulator::Enclave;

    fn launch(&self, dir: &EnclaveDir, spec: &Spec) -> Result<emulator::Enclave, Error> {
        let authority = Authority::open(&spec.development_ca);
        let config = Config {
            authority: Arc::new(authority.map_err(|error| Error::NotStarted(error.to_string()))?),
            eif: dir.image(),
            machine: match spec.machine {
                Machine::Cmdline => emulator::Machine::Cmdline,
                Machine::Acpi => emulator::Machine::Acpi,
            },
            memory_mib: spec.memory_mib,
            cpus: spec.cpus,
            cid: spec.cid,
            debug: spec.debug,
            instance_id: spec.instance_id.clone(),
            run_dir: dir.path().to_owned(),
            hub: Some(spec.hub.clone()),
            force_tcg: spec.force_tcg,
        };
        emulator::Enclave::launch(config).map_err(|error| Error::NotStarted(error.to_string()))
    }

    /// As Firecracker has it: `CONNECT <port>\n`, answered by `OK <port>\n`, over the enclave's Unix socket.
    async fn connect(&self, dir: &EnclaveDir, port: u32) -> io::Result<UnixStream> {
        let mut stream = UnixStream::connect(dir.vsock()).await?;
        stream.write_all(format!("CONNECT {port}\n").as_bytes()).await?;
        let mut greeting = Vec::new();
        while greeting.last() != Some(&b'\n') {
            // Byte by byte: what follows the line is the guest's.
            greeting.push(
                stream
                    .read_u8()
                    .await
                    .map_err(|_| io::ErrorKind::ConnectionRefused)?,
            );
            if greeting.len() > MAX_GREETING {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        if !greeting.starts_with(b"OK ") {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(stream)
    }
}

impl Enclave for emulator::Enclave {
    fn module_id(&self) -> String {
        Self::module_id(self).to_owned()
    }

    fn acceleration(&self) -> String {
        match Self::acceleration(self) {
            Acceleration::Kvm => "kvm".into(),
            Acceleration::Tcg { reason } => format!("tcg: {reason}"),
        }
    }

    fn wait(&self) -> Ended {
        loop {
            if let Some(exit) = Self::wait(self, Duration::from_secs(60)) {
                return ended(&exit);
            }
        }
    }

    fn stop(&self) {
        Self::stop(self);
    }

    fn console(&self, from: u64, patience: Duration) -> Console {
        let chunk = Self::console(self).read(from, patience);
        Console {
            next: chunk.next,
            bytes: chunk.bytes,
            ended: chunk.ended,
        }
    }
}

fn ended(exit: &Exit) -> Ended {
    let how = match exit {
        Exit {
            panic: Some(panic), ..
        } => format!("its kernel panicked: {}", printable(panic, 200)),
        Exit {
            accelerator_failed: true,
            ..
        } => "KVM gave up on it".into(),
        Exit {
            signal: Some(signal), ..
        } => format!("QEMU was ended by signal {signal}"),
        Exit { code: Some(0), .. } => "it shut down by itself".into(),
        Exit { code, .. } => format!("QEMU ended with exit code {}", code.unwrap_or(-1)),
    };
    Ended {
        how,
        not_started: false,
        accelerator_failed: exit.accelerator_failed,
        console_tail: text_tail(exit.console_tail.as_bytes(), TAIL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixListener;

    /// Connects where a device answers with `greeting`.
    async fn connected(greeting: &'static [u8]) -> io::Result<UnixStream> {
        let parent = tempfile::tempdir().unwrap();
        let dir = EnclaveDir::make(parent.path().join("16")).unwrap();
        let listener = UnixListener::bind(dir.vsock()).unwrap();
        let device = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut line = [0; 13];
            stream.read_exact(&mut line).await.unwrap();
            assert_eq!(&line, b"CONNECT 7070\n");
            stream.write_all(greeting).await.unwrap();
        };
        tokio::join!(Emulator.connect(&dir, 7070), device).0
    }

    #[tokio::test]
    async fn what_follows_the_greeting_is_the_guests() {
        let mut stream = connected(b"OK 1073741824\nguest").await.unwrap();
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"guest");
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_an_error() {
        assert!(connected(b"").await.is_err());
        assert!(connected(b"NO\n").await.is_err());
        assert!(connected(&[b'x'; 100]).await.is_err());
    }
}
