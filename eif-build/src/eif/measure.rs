//! Measuring, on threads beside the one that reads or writes: PCR0 and PCR2 are two sums over nearly the same bytes.
use std::{
    io,
    panic::resume_unwind,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread::{Builder, JoinHandle},
};

use aws_lc_rs::digest::{Context, SHA384};

use super::{Pcr, Pcrs, SectionKind};

/// How much is handed over at once, in bytes.
pub(super) const PIECE: usize = 1 << 18;
/// How many pieces may wait for a sum, so that memory stays flat.
const WAITING: usize = 8;

/// Measures sections as they pass, in the file's order: kernel, command line, ramdisks.
///
/// Bytes are handed over in buffers, which come back when both sums are done with them: nothing is copied on the way.
pub(super) struct Measurer {
    /// Over kernel, command line and ramdisks.
    image: Sum,
    /// Over the ramdisks behind the first.
    application: Sum,
    /// Buffers that come back.
    spare: Receiver<Vec<u8>>,
    returning: Sender<Vec<u8>>,
    ramdisks: usize,
}

impl Measurer {
    /// Starts the sums' threads.
    pub(super) fn new() -> io::Result<Self> {
        let (returning, spare) = channel();
        Ok(Self {
            image: Sum::start("pcr0", returning.clone())?,
            application: Sum::start("pcr2", returning.clone())?,
            spare,
            returning,
            ramdisks: 0,
        })
    }

    /// A buffer of [`PIECE`] bytes, of any content.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.spare.try_recv().unwrap_or_else(|_| vec![0; PIECE])
    }

    /// Tells that a section begins.
    pub(super) fn begin(&mut self, kind: SectionKind) {
        if kind == SectionKind::Ramdisk {
            self.ramdisks += 1;
            if self.ramdisks == 2 {
                // PCR1 is the image's sum as it stands behind the first ramdisk.
                self.image.send(Pass::Mark);
            }
        }
    }

    /// Takes the first `length` bytes of a buffer, of the section that began last.
    pub(super) fn take(&mut self, kind: SectionKind, buffer: Vec<u8>, length: usize) {
        if matches!(kind, SectionKind::Signature | SectionKind::Metadata) {
            // Its receiver is ours.
            let _ = self.returning.send(buffer);
            return;
        }
        let piece = Arc::new(Piece { buffer, length });
        if self.ramdisks > 1 {
            self.application.send(Pass::Bytes(piece.clone()));
        }
        self.image.send(Pass::Bytes(piece));
    }

    /// The registers of what has passed, without PCR8.
    pub(super) fn finish(self) -> Pcrs {
        let (image, boot) = self.image.finish();
        let (application, _) = self.application.finish();
        Pcrs {
            pcr1: Pcr::extended_by(boot.unwrap_or_else(|| image.clone())),
            pcr0: Pcr::extended_by(image),
            pcr2: Pcr::extended_by(application),
            pcr8: None,
        }
    }
}

/// What passes a sum.
enum Pass {
    Bytes(Arc<Piece>),
    /// Remember the sum as it stands.
    Mark,
}

struct Piece {
    buffer: Vec<u8>,
    length: usize,
}

/// A SHA-384 on a thread of its own.
struct Sum {
    sender: SyncSender<Pass>,
    thread: JoinHandle<(Context, Option<Context>)>,
}

impl Sum {
    fn start(name: &str, returning: Sender<Vec<u8>>) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(WAITING);
        let thread = Builder::new()
            .name(name.into())
            .spawn(move || sum(&receiver, &returning))?;
        Ok(Self { sender, thread })
    }

    /// The thread leaves only when there is no sender any more, so this is heard.
    fn send(&self, pass: Pass) {
        let _ = self.sender.send(pass);
    }

    /// The sum, and as it stood at the mark.
    fn finish(self) -> (Context, Option<Context>) {
        drop(self.sender);
        self.thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

fn sum(passing: &Receiver<Pass>, returning: &Sender<Vec<u8>>) -> (Context, Option<Context>) {
    let (mut sum, mut mark) = (Context::new(&SHA384), None);
    for pass in passing {
        match pass {
            Pass::Bytes(piece) => {
                sum.update(piece.buffer.get(..piece.length).unwrap_or_default());
                // The last of the sums gives it back; where nobody waits for it any more, it is dropped.
                if let Some(piece) = Arc::into_inner(piece) {
                    let _ = returning.send(piece.buffer);
                }
            }
            Pass::Mark => mark = Some(sum.clone()),
        }
    }
    (sum, mark)
}
