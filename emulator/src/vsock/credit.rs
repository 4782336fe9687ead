//! What the guest has room for.

use super::packet::Header;
use super::violation::Violation;

/// The guest's receive buffer for one connection. Counters are modulo 2^32, as on the wire.
#[derive(Debug, Default)]
pub struct Credit {
    sent: u32,
    buf_alloc: u32,
    forwarded: u32,
}

impl Credit {
    /// Takes note of the buffer space that the guest tells in a header.
    ///
    /// virtio 1.2, 5.10.6.3.1: "All packets associated with a stream flow MUST contain valid information in
    /// buf_alloc and fwd_cnt fields." Threads of a guest may queue packets in another order than the one in
    /// which they read its counter, so a counter that falls back is old and no fault; one ahead of what was
    /// sent is a lie.
    pub fn note(&mut self, header: &Header) -> Result<(), Violation> {
        let outstanding = self.sent.wrapping_sub(self.forwarded);
        let advance = header.fwd_cnt.wrapping_sub(self.forwarded);
        if advance <= outstanding {
            self.forwarded = header.fwd_cnt;
        } else if advance < 1 << 31 {
            return Err(Violation("it forwarded bytes that were never sent"));
        }
        self.buf_alloc = header.buf_alloc;
        Ok(())
    }

    /// How many bytes may be sent.
    ///
    /// virtio 1.2, 5.10.6.3: "u32 peer_free = peer_buf_alloc - (tx_cnt - peer_fwd_cnt);" A guest may make its
    /// buffer smaller than what is on its way: then that is zero.
    pub fn free(&self) -> u32 {
        self.buf_alloc
            .saturating_sub(self.sent.wrapping_sub(self.forwarded))
    }

    /// Takes note of bytes that were sent.
    pub fn spend(&mut self, bytes: u32) {
        self.sent = self.sent.wrapping_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(buf_alloc: u32, fwd_cnt: u32) -> Header {
        Header {
            buf_alloc,
            fwd_cnt,
            ..Header::default()
        }
    }

    #[test]
    fn counters_wrap() {
        let mut credit = Credit {
            sent: u32::MAX - 9,
            buf_alloc: 0,
            forwarded: u32::MAX - 9,
        };
        credit.note(&told(100, u32::MAX - 9)).unwrap();
        credit.spend(50);
        assert_eq!(credit.free(), 50);
        credit.note(&told(100, 40)).unwrap();
        assert_eq!(credit.free(), 100);
        assert!(credit.note(&told(100, 41)).is_err());
    }

    #[test]
    fn an_old_counter_takes_nothing_back() {
        let mut credit = Credit::default();
        credit.note(&told(10, 0)).unwrap();
        credit.spend(10);
        credit.note(&told(10, 6)).unwrap();
        credit.note(&told(10, 4)).unwrap();
        assert_eq!(credit.free(), 6);
        credit.note(&told(2, 6)).unwrap();
        assert_eq!(credit.free(), 0);
    }
}
