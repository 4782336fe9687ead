//! The header before every packet on the vsock queues.

/// The length of a header in bytes (virtio 1.2, 5.10.6, `struct virtio_vsock_hdr`).
pub const HEADER_SIZE: usize = 44;

/// The most data of a packet, in bytes (Linux's `VIRTIO_VSOCK_MAX_PKT_BUF_SIZE`).
pub const MAX_DATA: usize = 64 * 1024;

/// `VIRTIO_VSOCK_TYPE_STREAM`, the one socket type that this device offers.
pub const STREAM: u16 = 1;

/// `VIRTIO_VSOCK_SHUTDOWN_F_RECEIVE`: the sender will receive no more.
pub const SHUTDOWN_RECEIVE: u32 = 1;
/// `VIRTIO_VSOCK_SHUTDOWN_F_SEND`: the sender will send no more.
pub const SHUTDOWN_SEND: u32 = 2;
/// Both directions.
pub const SHUTDOWN_BOTH: u32 = SHUTDOWN_RECEIVE | SHUTDOWN_SEND;

/// The operations of virtio 1.2, 5.10.6 (`enum virtio_vsock_op`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Op {
    /// Asks for a connection.
    Request = 1,
    /// Accepts one.
    Response = 2,
    /// Refuses or ends one.
    Reset = 3,
    /// Announces what the sender will no longer do; see [`SHUTDOWN_BOTH`].
    Shutdown = 4,
    /// Carries data.
    ReadWrite = 5,
    /// Tells the sender's buffer space.
    CreditUpdate = 6,
    /// Asks for a credit update.
    CreditRequest = 7,
}

impl Op {
    /// The operation with this number, if there is one.
    pub fn from_number(number: u16) -> Option<Op> {
        [
            Op::Request,
            Op::Response,
            Op::Reset,
            Op::Shutdown,
            Op::ReadWrite,
            Op::CreditUpdate,
            Op::CreditRequest,
        ]
        .into_iter()
        .find(|op| *op as u16 == number)
    }
}

/// A packet's header, as the sender wrote it: nothing in it is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The sender's address.
    pub src_cid: u64,
    /// The receiver's address.
    pub dst_cid: u64,
    /// The sender's port.
    pub src_port: u32,
    /// The receiver's port.
    pub dst_port: u32,
    /// Bytes of data behind the header.
    pub len: u32,
    /// The socket type; see [`STREAM`].
    pub kind: u16,
    /// The operation's number; see [`Op`].
    pub op: u16,
    /// The operation's flags.
    pub flags: u32,
    /// The sender's whole receive buffer in bytes.
    pub buf_alloc: u32,
    /// Bytes of it that the sender has passed on since the connection began, modulo 2^32.
    pub fwd_cnt: u32,
}

impl Header {
    /// Reads the little-endian fields.
    pub fn parse(bytes: &[u8; HEADER_SIZE]) -> Header {
        Header {
            src_cid: u64::from_le_bytes(field(bytes, 0)),
            dst_cid: u64::from_le_bytes(field(bytes, 8)),
            src_port: u32::from_le_bytes(field(bytes, 16)),
            dst_port: u32::from_le_bytes(field(bytes, 20)),
            len: u32::from_le_bytes(field(bytes, 24)),
            kind: u16::from_le_bytes(field(bytes, 28)),
            op: u16::from_le_bytes(field(bytes, 30)),
            flags: u32::from_le_bytes(field(bytes, 32)),
            buf_alloc: u32::from_le_bytes(field(bytes, 36)),
            fwd_cnt: u32::from_le_bytes(field(bytes, 40)),
        }
    }

    /// Writes the little-endian fields.
    pub fn encode(&self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        bytes[0..8].copy_from_slice(&self.src_cid.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.dst_cid.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.src_port.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.dst_port.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.len.to_le_bytes());
        bytes[28..30].copy_from_slice(&self.kind.to_le_bytes());
        bytes[30..32].copy_from_slice(&self.op.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.flags.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.buf_alloc.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.fwd_cnt.to_le_bytes());
        bytes
    }

    /// The reset that answers this packet, from the very address that it was sent to.
    pub fn reset(&self) -> Header {
        Header {
            src_cid: self.dst_cid,
            dst_cid: self.src_cid,
            src_port: self.dst_port,
            dst_port: self.src_port,
            kind: self.kind,
            op: Op::Reset as u16,
            ..Header::default()
        }
    }
}

fn field<const N: usize>(bytes: &[u8; HEADER_SIZE], at: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[at + i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_stand_where_the_specification_puts_them() {
        let mut bytes = [0; HEADER_SIZE];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = i as u8;
        }
        let header = Header::parse(&bytes);
        assert_eq!(header.src_cid, 0x0706_0504_0302_0100);
        assert_eq!(header.len, 0x1b1a_1918);
        assert_eq!((header.kind, header.op), (0x1d1c, 0x1f1e));
        assert_eq!((header.buf_alloc, header.fwd_cnt), (0x2726_2524, 0x2b2a_2928));
    }

    #[test]
    fn operations_have_the_numbers_of_the_specification() {
        assert_eq!(Op::from_number(0), None);
        assert_eq!(Op::from_number(5), Some(Op::ReadWrite));
        assert_eq!(Op::from_number(8), None);
    }

    proptest! {
        #[test]
        fn every_header_survives_the_wire(bytes in proptest::array::uniform32(any::<u8>()), tail in proptest::array::uniform12(any::<u8>())) {
            let mut whole = [0; HEADER_SIZE];
            whole[..32].copy_from_slice(&bytes);
            whole[32..].copy_from_slice(&tail);
            prop_assert_eq!(Header::parse(&whole).encode(), whole);
        }
    }
}
