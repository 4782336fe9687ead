//! The enclave's secure module (NSM): how the agent finds it, and the one thread that talks to it.

use crate::cuse;
use contract::ports::{self, PARENT_CID};
use nsm::Nsm;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use vsock::VsockStream;

/// The device that programs in an enclave use.
pub const DEVICE: &str = "/dev/nsm";
/// How long an answer may take: a module of the host's may never give one.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many questions may wait for the module.
const QUEUE: usize = 16;

/// Why the secure module gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no module.
    #[error(
        "no secure module: the kernel has no {DEVICE}, and the host serves none on its vsock port {port}: {0}",
        port = ports::NSM
    )]
    Missing(io::Error),
    /// The kernel's character device in user space (CUSE) cannot be had.
    #[error("cannot make {DEVICE} of the host's secure module: {0}")]
    Cuse(#[from] cuse::Error),
    /// The module failed or refused.
    #[error(transparent)]
    Module(#[from] nsm::Error),
    /// The module's thread cannot be started.
    #[error("cannot start the thread of the secure module: {0}")]
    Thread(io::Error),
    /// No answer in time, or the thread is gone.
    #[error("the secure module gave no answer within {} seconds", PATIENCE.as_secs())]
    Silent,
}

/// Opens the module: the kernel's device; else the host's over vsock, made into the same device by CUSE so that
/// programs find it where they look for it; else, without CUSE, the host's directly.
pub fn open() -> Result<Box<dyn Nsm>, Error> {
    if Path::new(DEVICE).exists() {
        return Ok(Box::new(nsm::Device::open()?));
    }
    let remote = nsm::Remote::new(dial_parent().map_err(Error::Missing)?);
    if !Path::new(cuse::CONTROL).exists() {
        return Ok(Box::new(remote));
    }
    cuse::serve_device(Box::new(remote))?;
    Ok(Box::new(nsm::Device::open()?))
}

/// Connects to the module that the host of an emulated enclave serves. It takes one connection in a boot, and that is
/// this one: an application that dials the port later gets none.
fn dial_parent() -> io::Result<VsockStream> {
    let stream = VsockStream::connect_with_cid_port(PARENT_CID, ports::NSM)
        .or_else(|_| VsockStream::connect_with_cid_port(vsock::VMADDR_CID_HOST, ports::NSM))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

type Question = Box<dyn FnOnce(&mut dyn Nsm) + Send>;

/// The secure module, asked one question at a time on a thread of its own, since its driver blocks.
#[derive(Clone)]
pub struct SecureModule {
    questions: mpsc::Sender<Question>,
}

impl SecureModule {
    /// Opens a module with `open` on its new thread.
    pub async fn start(
        open: impl FnOnce() -> Result<Box<dyn Nsm>, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let (questions, mut asked) = mpsc::channel::<Question>(QUEUE);
        let (opened, outcome) = oneshot::channel();
        let work = move || {
            let mut nsm = match open() {
                Ok(nsm) => nsm,
                Err(error) => return drop(opened.send(Err(error))),
            };
            let _ = opened.send(Ok(()));
            while let Some(question) = asked.blocking_recv() {
                question(nsm.as_mut());
            }
        };
        thread::Builder::new()
            .name("nsm".into())
            .spawn(work)
            .map_err(Error::Thread)?;
        outcome.await.map_err(|_| Error::Silent)??;
        Ok(Self { questions })
    }

    /// Asks the module, with a time limit.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Nsm) -> Result<T, nsm::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (give, take) = oneshot::channel();
        let question: Question = Box::new(move |nsm| drop(give.send(question(nsm))));
        let answer = async {
            self.questions.send(question).await.map_err(|_| Error::Silent)?;
            take.await.map_err(|_| Error::Silent)?.map_err(Error::Module)
        };
        timeout(PATIENCE, answer).await.map_err(|_| Error::Silent)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Refusing;

    impl Nsm for Refusing {
        fn process(&mut self, _request: &[u8]) -> Result<Vec<u8>, nsm::Error> {
            Err(nsm::Error::Closed)
        }
    }

    #[tokio::test]
    async fn errors_of_opening_and_of_asking_come_back() {
        let module = SecureModule::start(|| Ok(Box::new(Refusing))).await.unwrap();
        assert!(matches!(
            module.ask(|nsm| nsm.get_random()).await,
            Err(Error::Module(nsm::Error::Closed))
        ));
        assert_eq!(module.ask(|_| Ok(3)).await.unwrap(), 3);
        let none = SecureModule::start(|| Err(Error::Missing(io::ErrorKind::ConnectionReset.into()))).await;
        assert!(none.err().unwrap().to_string().contains("vsock port 7071"));
    }
}
