//! One virtqueue and the guest's memory behind it: chains of descriptors as buffers, and sockets that read
//! and write them in place.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use virtio_queue::{DescriptorChain, Queue, QueueT};
use vm_memory::{GuestMemory, GuestMemoryMmap, Permissions, VolatileSlice};

/// The most segments that one system call takes (Linux's `UIO_MAXIOV`).
const MAX_SEGMENTS: usize = 1024;

/// The bytes that a chain of descriptors describes, or what is left of them. They lie in memory that the
/// guest may change at any time.
#[derive(Debug, Default)]
pub struct Buffers<'m> {
    segments: Vec<VolatileSlice<'m>>,
}

impl<'m> Buffers<'m> {
    /// Buffers over memory of our own.
    pub fn over(bytes: &'m mut [u8]) -> Buffers<'m> {
        Buffers {
            segments: vec![VolatileSlice::from(bytes)],
        }
    }

    /// Their length in bytes.
    pub fn len(&self) -> usize {
        self.segments.iter().map(VolatileSlice::len).sum()
    }

    /// Whether nothing is left of them.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shortens them to `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        let mut left = len;
        self.segments.retain_mut(|segment| {
            let keep = left.min(segment.len());
            left -= keep;
            *segment = segment.subslice(0, keep).unwrap_or(*segment);
            keep > 0
        });
    }

    /// Takes the first `len` bytes away.
    pub fn advance(&mut self, len: usize) {
        let mut left = len;
        self.segments.retain_mut(|segment| {
            let drop = left.min(segment.len());
            left -= drop;
            *segment = segment.offset(drop).unwrap_or(*segment);
            !segment.is_empty()
        });
    }

    /// Takes the first `len` bytes away and returns them.
    pub fn split_to(&mut self, len: usize) -> Buffers<'m> {
        let mut front = Buffers {
            segments: self.segments.clone(),
        };
        front.truncate(len);
        self.advance(len);
        front
    }

    /// Takes the first `N` bytes as a value; `None`, and nothing taken, if there are fewer.
    pub fn read<const N: usize>(&mut self) -> Option<[u8; N]> {
        if self.len() < N {
            return None;
        }
        let mut bytes = [0; N];
        self.copy_to(&mut bytes);
        self.advance(N);
        Some(bytes)
    }

    /// Copies as many bytes as fit to the front of `out`, and says how many.
    pub fn copy_to(&self, out: &mut [u8]) -> usize {
        self.segments.iter().fold(0, |done, segment| {
            done + segment.copy_to(out.get_mut(done..).unwrap_or_default())
        })
    }

    /// Appends them all to `queue`.
    pub fn append_to(mut self, queue: &mut VecDeque<u8>) {
        let mut chunk = [0; 4096];
        while !self.is_empty() {
            let copied = self.copy_to(&mut chunk);
            queue.extend(chunk.iter().take(copied));
            self.advance(copied);
        }
    }

    /// Copies `bytes` to the front, as far as they fit.
    pub fn copy_from(&self, bytes: &[u8]) {
        self.segments.iter().fold(0, |done, segment| {
            segment.copy_from(bytes.get(done..).unwrap_or_default());
            done + segment.len()
        });
    }

    /// Writes to a socket as much as it takes without waiting, and says how much that was.
    pub fn send(&self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let mut vectors = Vectors::new([self]);
        // SAFETY: the message points to `vectors`, whose segments are mapped, readable guest memory of the
        // given lengths for as long as `self` lives. That the guest changes them meanwhile only changes what
        // is sent.
        let sent = unsafe {
            libc::sendmsg(
                socket.as_raw_fd(),
                &vectors.message(),
                libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

/// Fills the buffers one after the other with what a socket has, without waiting, and says with how much; 0
/// is its end.
pub fn receive<'a, 'm: 'a>(
    socket: BorrowedFd<'_>,
    buffers: impl IntoIterator<Item = &'a Buffers<'m>>,
) -> io::Result<usize> {
    let mut vectors = Vectors::new(buffers);
    // SAFETY: the message points to `vectors`, whose segments are mapped, writable guest memory of the given
    // lengths for as long as the buffers live; nothing in this program holds a reference into them.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut vectors.message(), libc::MSG_DONTWAIT) };
    usize::try_from(received).map_err(|_| io::Error::last_os_error())
}

/// Segments as the system calls take them.
struct Vectors(Vec<libc::iovec>);

impl Vectors {
    fn new<'a, 'm: 'a>(buffers: impl IntoIterator<Item = &'a Buffers<'m>>) -> Vectors {
        let segments = buffers
            .into_iter()
            .flat_map(|buffers| &buffers.segments)
            .take(MAX_SEGMENTS);
        Vectors(
            segments
                .map(|segment| libc::iovec {
                    iov_base: segment.ptr_guard_mut().as_ptr().cast(),
                    iov_len: segment.len(),
                })
                .collect(),
        )
    }

    fn message(&mut self) -> libc::msghdr {
        // SAFETY: every field of a msghdr is an integer or a pointer, for which zero is a value: no name, no
        // control data.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = self.0.as_mut_ptr();
        message.msg_iovlen = self.0.len();
        message
    }
}

/// A chain that was taken from a ring, to be given back by [`Ring::give_back`].
#[derive(Debug)]
pub struct Chain<'m> {
    head: u16,
    /// What it describes.
    pub buffers: Buffers<'m>,
}

/// A virtqueue while one thread works on it.
pub struct Ring<'q, 'm> {
    queue: &'q mut Queue,
    memory: &'m GuestMemoryMmap,
}

impl<'q, 'm> Ring<'q, 'm> {
    /// The queue, whose rings and buffers lie in `memory`.
    pub fn new(queue: &'q mut Queue, memory: &'m GuestMemoryMmap) -> Ring<'q, 'm> {
        Ring { queue, memory }
    }

    /// The next chain that the guest filled, its first `limit` bytes. A chain that does not describe memory
    /// of the guest is empty.
    pub fn take_readable(&mut self, limit: usize) -> Option<Chain<'m>> {
        self.take(limit, false)
    }

    /// The next chain that the guest wants filled, its first `limit` bytes. A chain that does not describe
    /// memory of the guest is empty.
    pub fn take_writable(&mut self, limit: usize) -> Option<Chain<'m>> {
        self.take(limit, true)
    }

    fn take(&mut self, limit: usize, writable: bool) -> Option<Chain<'m>> {
        let chain = self.queue.pop_descriptor_chain(self.memory)?;
        let head = chain.head_index();
        let buffers = gather(self.memory, chain, limit, writable).unwrap_or_default();
        Some(Chain { head, buffers })
    }

    /// Gives a chain back to the guest, `written` bytes of it filled.
    pub fn give_back(&mut self, chain: &Chain<'_>, written: u32) {
        // It fails only where the guest's own ring does not lie in its memory, or the head is no descriptor:
        // there is nobody to tell.
        let _ = self.queue.add_used(self.memory, chain.head, written);
    }

    /// Leaves the last `count` chains taken to be taken again.
    pub fn untake(&mut self, count: usize) {
        let next = self.queue.next_avail().wrapping_sub(count as u16);
        self.queue.set_next_avail(next);
    }
}

/// The memory that the readable or the writable descriptors of a chain describe. The guest may name any
/// addresses and lengths, so every descriptor is looked up in its memory, and neither segments nor bytes are
/// more than what one system call and one packet take.
fn gather<'m>(
    memory: &'m GuestMemoryMmap,
    chain: DescriptorChain<&'m GuestMemoryMmap>,
    limit: usize,
    writable: bool,
) -> Option<Buffers<'m>> {
    let access = if writable {
        Permissions::Write
    } else {
        Permissions::Read
    };
    let mut segments = Vec::new();
    let mut left = limit;
    for descriptor in chain.filter(|descriptor| descriptor.is_write_only() == writable) {
        let len = left.min(descriptor.len() as usize);
        for segment in memory.get_slices(descriptor.addr(), len, access).ok()? {
            segments.push(segment.ok()?);
        }
        left -= len;
        if left == 0 || segments.len() >= MAX_SEGMENTS {
            break;
        }
    }
    Some(Buffers { segments })
}
