//! The device as QEMU drives it over the vhost-user protocol: two virtqueues and the guest's memory.

use super::ring::Ring;
use super::switch::Switch;
use std::time::{Duration, Instant};
use std::{io, thread};
use vhost::vhost_user::message::{VhostUserProtocolFeatures, VhostUserVirtioFeatures};
use vhost_user_backend::{VhostUserBackendMut, VringMutex, VringT};
use virtio_bindings::bindings::virtio_config::VIRTIO_F_VERSION_1;

use virtio_bindings::bindings::virtio_ring::{VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC};
use virtio_queue::QueueT;
use vm_memory::{GuestAddressSpace, GuestMemoryAtomic, GuestMemoryMmap};
use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::event::{EventConsumer, EventFlag, EventNotifier, new_event_consumer_and_notifier};

/// The receive and the transmit queue (virtio 1.2, 5.10.2); the event queue is QEMU's own.
const QUEUES: usize = 2;
/// The queue of what the guest sends.
const TRANSMIT: usize = 1;
/// QEMU's virtio-mmio transport lets the guest have queues of 1,024 entries, whatever the device.
const QUEUE_SIZE: usize = 1024;

/// The event that [`Switch::poll_host`] has work: numbers up to [`QUEUES`] are taken by queues and by the end
/// of the worker.
pub(super) const HOST_EVENT: u64 = QUEUES as u64 + 1;

/// The least time between two looks at what one side has, while it has something all the time. Whoever writes byte by
/// byte would else be heard every few bytes, and the other side disturbed as often: the guest by an interrupt, the host's
/// program by being woken.
const BREATH: Duration = Duration::from_micros(50);

type Memory = GuestMemoryAtomic<GuestMemoryMmap>;

/// The vsock device of one guest.
pub(super) struct Device {
    cid: u32,
    memory: Memory,
    switch: Switch,
    host_heard: Instant,
    guest_heard: Instant,
}

impl Device {
    /// The device of the guest `cid`, whose memory will appear in `memory`.
    pub(super) fn new(cid: u32, memory: Memory, switch: Switch) -> Device {
        Device {
            cid,
            memory,
            switch,
            host_heard: Instant::now(),
            guest_heard: Instant::now(),
        }
    }

    /// Moves what the guest has sent, and what it is to get, until there is nothing more of either.
    fn work(&mut self, receive: &VringMutex<Memory>, transmit: &VringMutex<Memory>) {
        let memory = self.memory.memory();
        loop {
            let taken = self.serve(transmit, &memory, Switch::take_packets, Switch::can_take_packets);
            let given = self.serve(receive, &memory, Switch::give_packets, Switch::has_packets);
            // What was taken is done with unless more came meanwhile; where something was given, there may be more to
            // give, or room for the answers to what the guest sends.
            if taken != Served::More && given == Served::Nothing {
                return;
            }
        }
    }

    /// Works on one queue. Only while `wants_more` is the guest asked to say when there is more, and it is told only
    /// once of all that was done.
    fn serve(
        &mut self,
        vring: &VringMutex<Memory>,
        memory: &GuestMemoryMmap,
        work: fn(&mut Switch, &mut Ring<'_, '_>) -> bool,
        wants_more: fn(&Switch) -> bool,
    ) -> Served {
        let mut state = vring.get_mut();
        if !state.is_enabled() || !state.get_queue().ready() {
            return Served::Nothing;
        }
        // Where one of these calls fails the guest's own ring does not lie in its memory, and it gets what it
        // asked for: silence.
        let _ = state.disable_notification();
        let mut served = match work(&mut self.switch, &mut Ring::new(state.get_queue_mut(), memory)) {
            true => Served::All,
            false => Served::Nothing,
        };
        // What came before the guest was asked to say so, it does not say.
        if wants_more(&self.switch)
            && state.enable_notification().unwrap_or(false)
            && work(&mut self.switch, &mut Ring::new(state.get_queue_mut(), memory))
        {
            served = Served::More;
        }
        if served != Served::Nothing && state.needs_notification().unwrap_or(false) {
            let _ = state.signal_used_queue();
        }
        served
    }
}

/// Lets what one side writes gather for a moment, if it was heard only just now.
fn take_breath(heard: &mut Instant) {
    thread::sleep(BREATH.saturating_sub(heard.elapsed()));
    *heard = Instant::now();
}

/// What work on a queue came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Served {
    /// There was nothing to do.
    Nothing,
    /// What there was is done, and the guest says when there is more.
    All,
    /// More came while it was done: the guest is to be asked again to say so.
    More,
}

impl VhostUserBackendMut for Device {
    type Bitmap = ();
    type Vring = VringMutex<Memory>;

    fn num_queues(&self) -> usize {
        QUEUES
    }

    fn max_queue_size(&self) -> usize {
        QUEUE_SIZE
    }

    fn features(&self) -> u64 {
        1 << VIRTIO_F_VERSION_1
            | 1 << VIRTIO_RING_F_EVENT_IDX
            | 1 << VIRTIO_RING_F_INDIRECT_DESC
            | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits()
    }

    fn protocol_features(&self) -> VhostUserProtocolFeatures {
        VhostUserProtocolFeatures::CONFIG
    }

    fn set_event_idx(&mut self, _enabled: bool) {
        // The queues themselves know.
    }

    /// virtio 1.2, 5.10.4: `struct virtio_vsock_config` is the guest's CID, a little-endian u64.
    fn get_config(&self, offset: u32, size: u32) -> Vec<u8> {
        let config = u64::from(self.cid).to_le_bytes();
        config
            .into_iter()
            .skip(offset as usize)
            .take(size as usize)
            .collect()
    }

    fn update_memory(&mut self, memory: Memory) -> io::Result<()> {
        self.memory = memory;
        Ok(())
    }

    fn exit_event(&self, _thread: usize) -> Option<(EventConsumer, EventNotifier)> {
        new_event_consumer_and_notifier(EventFlag::NONBLOCK | EventFlag::CLOEXEC).ok()
    }

    /// Whatever happened, both queues are looked at. What the host's sockets have is looked for when they
    /// say so, which they do until it is taken.
    fn handle_event(
        &mut self,
        event: u16,
        _events: EventSet,
        vrings: &[VringMutex<Memory>],
        _thread: usize,
    ) -> io::Result<()> {
        if u64::from(event) == HOST_EVENT {
            take_breath(&mut self.host_heard);
            self.switch.poll_host();
        } else if usize::from(event) == TRANSMIT {
            take_breath(&mut self.guest_heard);
        }
        if let [receive, transmit, ..] = vrings {
            self.work(receive, transmit);
        }
        Ok(())
    }
}
