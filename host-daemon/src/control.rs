//! What a holder is asked, over `control.sock` in its enclave's directory: one JSON object a line, one answer a line.

use crate::Error;
use crate::enclave_dir::EnclaveDir;
use contract::report::Endpoint;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// The most bytes of a line: a launch message (64 KiB) and a piece of a console (64 KiB) in hex fit.
const MAX_LINE: u64 = 256 * 1024;

/// A question to a holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// Who are you, how far are you?
    Status {},
    /// Give the agent this launch message and open the ingress. Asked again, it says again where that is.
    Launch {
        /// [`contract::launch::LaunchMessage`], canonical CBOR.
        #[serde(with = "hex")]
        message: Vec<u8>,
    },
    /// Say something when the enclave has ended: the connection closes without a word.
    Wait {},
    /// End the enclave at once.
    Stop {},
    /// What stands on the console from this byte on; waits a second for more.
    Console {
        /// How many bytes of the console are known already.
        from: u64,
    },
}

/// A holder's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Status),
    /// To [`Request::Launch`]: the ingress.
    Launched(Vec<Endpoint>),
    /// To [`Request::Stop`]: the enclave has ended; the holder ends now.
    Stopped,
    /// To [`Request::Console`].
    Console {
        /// What to ask from next.
        next: u64,
        /// The bytes there; control characters and all.
        #[serde(with = "hex")]
        bytes: Vec<u8>,
        /// No more will come.
        ended: bool,
    },
    /// It could not; why, and the mend.
    Error(String),
}

/// How far an enclave is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// `i-…-enc…`, what its documents call it.
    pub module_id: String,
    /// What runs it: `kvm`, or `tcg` and why.
    pub acceleration: String,
    /// The ingress, once the launch message was taken.
    pub endpoints: Option<Vec<Endpoint>>,
}

impl Status {
    /// Whether KVM runs it.
    pub fn is_accelerated(&self) -> bool {
        self.acceleration == "kvm"
    }
}

/// Asks the holder of the enclave in `dir`, and waits at most `limit` for its answer.
pub async fn ask(dir: &EnclaveDir, request: &Request, limit: Duration) -> Result<Answer, Error> {
    let holder = |problem: String| Error::Holder {
        dir: dir.path().to_owned(),
        problem,
    };
    let exchange = async {
        let mut stream = UnixStream::connect(dir.control()).await?;
        write_line(&mut stream, request).await?;
        read_line(&mut BufReader::new(stream)).await
    };
    match timeout(limit, exchange).await {
        Err(_) => Err(holder(format!("no answer within {} s", limit.as_secs_f64()))),
        Ok(Err(error)) => Err(holder(error.to_string())),
        Ok(Ok(None)) => Err(holder("it ended before it answered".into())),
        Ok(Ok(Some(Answer::Error(problem)))) => Err(holder(problem)),
        Ok(Ok(Some(answer))) => Ok(answer),
    }
}

/// Waits until the holder of the enclave in `dir` has ended, however long that takes.
pub async fn wait_for_end(dir: &EnclaveDir) {
    let listen = async {
        let mut stream = UnixStream::connect(dir.control()).await?;
        write_line(&mut stream, &Request::Wait {}).await?;
        stream.read_exact(&mut [0]).await
    };
    // What ends here ended with the holder, or never was: the lock knows.
    let _ = listen.await;
    while dir.is_held().unwrap_or(false) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Writes one line.
pub(crate) async fn write_line<S, T>(stream: &mut S, value: &T) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
    T: Serialize,
{
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

/// Reads one line of at most [`MAX_LINE`] bytes; `None` where the other side has closed.
pub(crate) async fn read_line<S, T>(stream: &mut S) -> io::Result<Option<T>>
where
    S: AsyncBufRead + AsyncRead + Unpin,
    T: DeserializeOwned,
{
    let mut line = Vec::new();
    stream.take(MAX_LINE).read_until(b'\n', &mut line).await?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(parse(&line)?)),
        Some(_) if line.len() as u64 >= MAX_LINE => Err(io::Error::from(io::ErrorKind::FileTooLarge)),
        Some(_) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
    }
}

/// Reads a question or an answer from its line.
pub fn parse<T: DeserializeOwned>(line: &[u8]) -> io::Result<T> {
    serde_json::from_slice(line).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> io::Result<Option<Request>> {
        read_line(&mut BufReader::new(bytes)).await
    }

    #[tokio::test]
    async fn words_read_as_they_are_written() {
        for request in [
            Request::Status {},
            Request::Launch {
                message: vec![0, 255],
            },
            Request::Wait {},
            Request::Stop {},
            Request::Console { from: 7 },
        ] {
            let mut line = Vec::new();
            write_line(&mut line, &request).await.unwrap();
            assert_eq!(read(&line).await.unwrap(), Some(request));
        }
        let endpoint = Endpoint {
            port: 80,
            address: "127.0.0.1:4000".into(),
        };
        let status = Status {
            module_id: "i-1-enc2".into(),
            acceleration: "kvm".into(),
            endpoints: Some(vec![endpoint.clone()]),
        };
        for answer in [
            Answer::Status(status),
            Answer::Launched(vec![endpoint]),
            Answer::Stopped,
            Answer::Console {
                next: 3,
                bytes: vec![0x1b],
                ended: true,
            },
            Answer::Error("no".into()),
        ] {
            let mut line = Vec::new();
            write_line(&mut line, &answer).await.unwrap();
            assert_eq!(parse::<Answer>(&line).unwrap(), answer);
        }
    }

    #[tokio::test]
    async fn what_is_no_word_is_refused() {
        for bad in [
            "\n",
            "{}\n",
            "{\"op\":\"status\",\"more\":1}\n",
            "{\"op\":\"status\"}",
        ] {
            assert!(read(bad.as_bytes()).await.is_err(), "{bad:?}");
        }
        assert!(read(&vec![b'x'; MAX_LINE as usize + 10]).await.is_err());
        assert_eq!(read(b"").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_holder_that_is_not_there_has_ended() {
        let parent = tempfile::tempdir().unwrap();
        let dir = EnclaveDir::make(parent.path().join("16")).unwrap();
        wait_for_end(&dir).await;
        let asked = ask(&dir, &Request::Status {}, Duration::from_secs(1)).await;
        assert!(matches!(asked, Err(Error::Holder { .. })));
    }

    proptest::proptest! {
        #[test]
        fn hostile_lines_never_panic(line in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = parse::<Request>(&line);
            let _ = parse::<Answer>(&line);
        }
    }
}
