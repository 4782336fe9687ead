//! The little of QEMU's machine protocol (docs/interop/qmp-spec.txt) that is needed here: that QEMU runs, and
//! why it stopped.

use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The longest message that is listened to, in bytes.
const MAX_MESSAGE: u64 = 64 * 1024;

/// A QMP session.
pub(super) struct Qmp {
    stream: BufReader<UnixStream>,
}

impl Qmp {
    /// Greets QEMU, which answers when its machine is built. An error means that it ended, or took longer
    /// than `timeout`.
    pub(super) fn greet(stream: UnixStream, timeout: Duration) -> io::Result<Qmp> {
        stream.set_read_timeout(Some(timeout))?;
        let mut qmp = Qmp {
            stream: BufReader::new(stream),
        };
        qmp.send("qmp_capabilities")?;
        while qmp.receive()?.get("return").is_none() {}
        qmp.stream.get_ref().set_read_timeout(None)?;
        Ok(qmp)
    }

    /// Listens until QEMU ends (`false`) or stops because its accelerator failed (`true`): with KVM, an
    /// instruction or a state that the host's processor or hypervisor cannot handle.
    pub(super) fn accelerator_fails(&mut self) -> bool {
        while let Ok(message) = self.receive() {
            if message.get("event").is_some_and(|event| event == "STOP") && self.send("query-status").is_err()
            {
                return false;
            }
            if message
                .pointer("/return/status")
                .is_some_and(|status| status == "internal-error")
            {
                return true;
            }
        }
        false
    }

    fn send(&mut self, command: &str) -> io::Result<()> {
        self.stream
            .get_mut()
            .write_all(format!("{{\"execute\":\"{command}\"}}\n").as_bytes())
    }

    fn receive(&mut self) -> io::Result<Value> {
        let mut line = Vec::new();
        (&mut self.stream)
            .take(MAX_MESSAGE)
            .read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_slice(&line)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// What a session hears when QEMU says `words` and ends.
    fn hears(words: &'static str) -> Option<bool> {
        let (here, mut there) = UnixStream::pair().unwrap();
        let qemu = thread::spawn(move || {
            there.write_all(words.as_bytes()).unwrap();
            there.shutdown(std::net::Shutdown::Write).unwrap();
            let mut heard = String::new();
            there.read_to_string(&mut heard).unwrap();
            heard
        });
        let heard = Qmp::greet(here, Duration::from_secs(10))
            .ok()
            .map(|mut qmp| qmp.accelerator_fails());
        assert!(qemu.join().unwrap().contains("qmp_capabilities"));
        heard
    }

    #[test]
    fn an_internal_error_is_an_accelerator_that_failed() {
        assert_eq!(
            hears(
                "{\"QMP\":{}}\n{\"return\":{}}\n{\"event\":\"STOP\"}\n{\"return\":{\"status\":\"internal-error\"}}\n"
            ),
            Some(true)
        );
    }

    #[test]
    fn an_end_is_an_end() {
        assert_eq!(
            hears("{\"QMP\":{}}\n{\"return\":{}}\n{\"event\":\"SHUTDOWN\"}\n"),
            Some(false)
        );
        assert_eq!(hears("{\"QMP\":{}}\n"), None);
        assert_eq!(hears("nonsense\n"), None);
    }
}
