//! Measuring, on threads beside the one that reads or writes: PCR0 and PCR2 are two sums over nearly the same bytes.
use std::{
    io, mem,
    panic::resume_unwind,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{Builder, JoinHandle},
};

use aws_lc_rs::digest::{Context, SHA384};

use super::{Pcr, Pcrs, SectionKind};

/// How much is handed over at once, in bytes.
const PIECE: usize = 1 << 18;
/// How many pieces may wait for a sum, so that memory stays flat.
const WAITING: usize = 8;

/// Measures sections as they pass, in the file's order: kernel, command line, ramdisks.
pub(super) struct Measurer {
    /// Over kernel, command line and ramdisks.
    image: Sum,
    /// Over the ramdisks behind the first.
    application: Sum,
    /// What has gathered for the sums.
    piece: Vec<u8>,
    ramdisks: usize,
}

impl Measurer {
    /// Starts the sums' threads.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            image: Sum::start("pcr0")?,
            application: Sum::start("pcr2")?,
            piece: Vec::with_capacity(PIECE),
            ramdisks: 0,
        })
    }

    /// Tells that a section begins.
    pub(super) fn begin(&mut self, kind: SectionKind) {
        if kind == SectionKind::Ramdisk {
            self.hand_over();
            self.ramdisks += 1;
            if self.ramdisks == 2 {
                // PCR1 is the image's sum as it stands behind the first ramdisk.
                self.image.send(Pass::Mark);
            }
        }
    }

    /// Takes bytes of the section that began last.
    pub(super) fn update(&mut self, kind: SectionKind, mut bytes: &[u8]) {
        if matches!(kind, SectionKind::Signature | SectionKind::Metadata) {
            return;
        }
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.piece.len()));
            self.piece.extend_from_slice(now);
            bytes = later;
            if self.piece.len() == PIECE {
                self.hand_over();
            }
        }
    }

    /// The registers of what has passed, without PCR8.
    pub(super) fn finish(mut self) -> Pcrs {
        self.hand_over();
        let (image, boot) = self.image.finish();
        let (application, _) = self.application.finish();
        Pcrs {
            pcr1: Pcr::extended_by(boot.unwrap_or_else(|| image.clone())),
            pcr0: Pcr::extended_by(image),
            pcr2: Pcr::extended_by(application),
            pcr8: None,
        }
    }

    /// Gives what has gathered to the sums.
    fn hand_over(&mut self) {
        if self.piece.is_empty() {
            return;
        }
        let piece = Arc::new(mem::replace(&mut self.piece, Vec::with_capacity(PIECE)));
        if self.ramdisks > 1 {
            self.application.send(Pass::Bytes(piece.clone()));
        }
        self.image.send(Pass::Bytes(piece));
    }
}

/// What passes a sum.
enum Pass {
    Bytes(Arc<Vec<u8>>),
    /// Remember the sum as it stands.
    Mark,
}

/// A SHA-384 on a thread of its own.
struct Sum {
    sender: SyncSender<Pass>,
    thread: JoinHandle<(Context, Option<Context>)>,
}

impl Sum {
    fn start(name: &str) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(WAITING);
        let thread = Builder::new().name(name.into()).spawn(move || sum(&receiver))?;
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

fn sum(passing: &Receiver<Pass>) -> (Context, Option<Context>) {
    let (mut sum, mut mark) = (Context::new(&SHA384), None);
    for pass in passing {
        match pass {
            Pass::Bytes(bytes) => sum.update(&bytes),
            Pass::Mark => mark = Some(sum.clone()),
        }
    }
    (sum, mark)
}
