//! Two SHA-384 sums over what passes, by the thread that brings it and by helpers beside it.
//!
//! A thread for each sum and one that reads and writes would be three that share two cores, of which two always wait for
//! the slowest. So a thread that has nothing else to do takes the next piece of the sum that is behind, and the one that
//! brings the pieces does so too when enough of them wait.
use std::{
    collections::VecDeque,
    panic::resume_unwind,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, Builder, JoinHandle},
};

use aws_lc_rs::digest::{Context, SHA384};

/// How many pieces may wait for a sum, so that memory stays flat.
const WAITING: usize = 8;

/// Two sums, and the threads that help with them.
pub(super) struct Sums {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
}

/// A sum as far as it was taken.
pub(super) struct Sum {
    pub(super) whole: Context,
    /// As it stood at its mark.
    pub(super) marked: Option<Context>,
}

/// What passes a sum.
#[derive(Clone)]
enum Pass {
    Bytes(Arc<Piece>),
    /// Remember the sum as it stands.
    Mark,
}

struct Piece {
    buffer: Vec<u8>,
    length: usize,
}

struct Shared {
    queues: Mutex<Queues>,
    /// Something new waits, or a sum is free again, or all is over.
    changed: Condvar,
}

struct Queues {
    of: [Queue; 2],
    /// Buffers that both sums are done with.
    spare: Vec<Vec<u8>>,
    /// Helpers may go.
    ended: bool,
}

/// What waits for a sum.
struct Queue {
    waiting: VecDeque<Pass>,
    /// `None` while a thread works on it: the pieces of a sum pass one after another.
    sum: Option<Sum>,
}

impl Sums {
    /// Starts the helpers: one for each other core, and no more than there are sums.
    pub(super) fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::with_helpers((cores - 1).min(2))
    }

    fn with_helpers(count: usize) -> Self {
        let queue = || Queue {
            waiting: VecDeque::new(),
            sum: Some(Sum::new()),
        };
        let mut sums = Self {
            shared: Arc::new(Shared {
                queues: Mutex::new(Queues {
                    of: [queue(), queue()],
                    spare: Vec::new(),
                    ended: false,
                }),
                changed: Condvar::new(),
            }),
            helpers: Vec::new(),
        };
        for number in 0..count {
            let shared = sums.shared.clone();
            let help = move || drop(shared.work_while(|queues| !queues.ended));
            // Where there can be no more threads, the caller's does all.
            let helper = Builder::new().name(format!("sums {number}")).spawn(help);
            sums.helpers.extend(helper);
        }
        sums
    }

    /// A buffer that both sums are done with.
    pub(super) fn spare(&self) -> Option<Vec<u8>> {
        self.shared.lock().spare.pop()
    }

    /// Takes back a buffer that is not to be summed.
    pub(super) fn give_back(&self, buffer: Vec<u8>) {
        self.shared.lock().spare.push(buffer);
    }

    /// Has the first sum remembered as it stands behind all that was added.
    pub(super) fn mark(&self) {
        let [first, _] = &mut self.shared.lock().of;
        first.waiting.push_back(Pass::Mark);
    }

    /// Adds the first `length` bytes of a buffer to the first sum, and to the second if it is to have `both`.
    pub(super) fn add(&self, buffer: Vec<u8>, length: usize, both: bool) {
        let piece = Pass::Bytes(Arc::new(Piece { buffer, length }));
        let mut queues = self.shared.lock();
        let [first, second] = &mut queues.of;
        if both {
            second.waiting.push_back(piece.clone());
        }
        first.waiting.push_back(piece);
        drop(queues);
        self.shared.changed.notify_all();
        let full = |queue: &Queue| queue.waiting.len() >= WAITING;
        drop(self.shared.work_while(|queues| queues.of.iter().any(full)));
    }

    /// The sums, when all that was added has passed them.
    pub(super) fn finish(mut self) -> [Sum; 2] {
        let unfinished = |queue: &Queue| queue.sum.is_none() || !queue.waiting.is_empty();
        let mut queues = self.shared.work_while(|queues| queues.of.iter().any(unfinished));
        // Each is there, or it would be unfinished.
        let sums = queues
            .of
            .each_mut()
            .map(|queue| queue.sum.take().unwrap_or_else(Sum::new));
        drop(queues);
        self.end().unwrap_or_else(|panic| resume_unwind(panic));
        sums
    }

    fn end(&mut self) -> thread::Result<()> {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        self.helpers.drain(..).try_for_each(JoinHandle::join)
    }
}

impl Drop for Sums {
    fn drop(&mut self) {
        // Nobody wants the sums any more, nor what became of them.
        let _ = self.end();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the sums for as long as `more` says; waits while there is nothing to do for this thread.
    fn work_while(&self, more: impl Fn(&Queues) -> bool) -> MutexGuard<'_, Queues> {
        let mut queues = self.lock();
        while more(&queues) {
            queues = match queues.take() {
                Some((number, sum, pass)) => {
                    drop(queues);
                    Taken::new(self, number, sum).pass(pass);
                    self.lock()
                }
                None => self.changed.wait(queues).unwrap_or_else(PoisonError::into_inner),
            };
        }
        queues
    }
}

impl Queues {
    /// The next piece of the sum for which most wait, of those that nobody works on.
    fn take(&mut self) -> Option<(usize, Sum, Pass)> {
        let free = self
            .of
            .iter_mut()
            .enumerate()
            .filter(|(_, queue)| queue.sum.is_some());
        let (number, queue) = free.max_by_key(|(_, queue)| queue.waiting.len())?;
        let pass = queue.waiting.pop_front()?;
        Some((number, queue.sum.take()?, pass))
    }
}

impl Sum {
    fn new() -> Self {
        Self {
            whole: Context::new(&SHA384),
            marked: None,
        }
    }
}

/// A sum that a thread works on. It goes back even if that thread panics, so that nobody waits for it for ever.
struct Taken<'a> {
    shared: &'a Shared,
    number: usize,
    sum: Option<Sum>,
    spare: Option<Vec<u8>>,
}

impl<'a> Taken<'a> {
    fn new(shared: &'a Shared, number: usize, sum: Sum) -> Self {
        Self {
            shared,
            number,
            sum: Some(sum),
            spare: None,
        }
    }

    fn pass(mut self, pass: Pass) {
        let Some(sum) = &mut self.sum else { return };
        match pass {
            Pass::Bytes(piece) => {
                sum.whole
                    .update(piece.buffer.get(..piece.length).unwrap_or_default());
                // The last of the sums gives the buffer back.
                self.spare = Arc::into_inner(piece).map(|piece| piece.buffer);
            }
            Pass::Mark => sum.marked = Some(sum.whole.clone()),
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut queues = self.shared.lock();
        queues.spare.extend(self.spare.take());
        if let Some(queue) = queues.of.get_mut(self.number) {
            queue.sum = self.sum.take();
        }
        drop(queues);
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sha384(bytes: &[u8]) -> Vec<u8> {
        aws_lc_rs::digest::digest(&SHA384, bytes).as_ref().to_vec()
    }

    fn of(context: Context) -> Vec<u8> {
        context.finish().as_ref().to_vec()
    }

    proptest! {
        #[test]
        fn sums_are_of_all_that_was_added_in_its_order(
            pieces in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..300), any::<bool>()), 0..100),
            mark in 0..100_usize,
            helpers in 0..4_usize,
        ) {
            let sums = Sums::with_helpers(helpers);
            let (mut first, mut second, mut marked) = (Vec::new(), Vec::new(), None);
            for (number, (bytes, both)) in pieces.into_iter().enumerate() {
                if number == mark {
                    sums.mark();
                    marked = Some(sha384(&first));
                }
                first.extend(&bytes);
                if both {
                    second.extend(&bytes);
                }
                let mut buffer = sums.spare().unwrap_or_default();
                buffer.resize(buffer.len().max(bytes.len()), 0xff);
                buffer[..bytes.len()].copy_from_slice(&bytes);
                sums.add(buffer, bytes.len(), both);
            }
            let [one, two] = sums.finish();
            prop_assert_eq!(one.marked.map(of), marked);
            prop_assert_eq!(of(one.whole), sha384(&first));
            prop_assert_eq!(of(two.whole), sha384(&second));
        }
    }

    #[test]
    fn no_more_buffers_are_in_use_than_may_wait() {
        for helpers in 0..3 {
            let (sums, mut made) = (Sums::with_helpers(helpers), 0);
            for _ in 0..200 {
                let buffer = sums.spare().unwrap_or_else(|| {
                    made += 1;
                    vec![0; 1 << 12]
                });
                sums.add(buffer, 1 << 12, true);
            }
            drop(sums.finish());
            // Those that wait for the sum that is behind, what either sum is at, and the next.
            assert!(made <= WAITING + 3, "{made} with {helpers} helpers");
        }
    }

    #[test]
    fn helpers_end_when_nobody_wants_the_sums() {
        let sums = Sums::with_helpers(2);
        sums.add(vec![1; 100], 100, true);
        let shared = Arc::downgrade(&sums.shared);
        drop(sums);
        assert!(shared.upgrade().is_none());
    }
}
