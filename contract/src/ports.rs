//! The vsock addresses between host and enclave.

/// The CID that an enclave dials for its parent instance (Nitro's convention).
pub const PARENT_CID: u32 = 3;
/// Where the host waits for the boot heartbeat (nitro-cli's convention).
pub const HEARTBEAT: u32 = 9000;
/// The one byte that the enclave sends to [`HEARTBEAT`] and reads back (nitro-cli's convention).
pub const HEARTBEAT_BYTE: u8 = 0xB7;
/// Where the agent listens inside the enclave; see [`crate::agent`].
pub const AGENT: u32 = 7070;
/// Where an emulated enclave finds its secure module on the host. It answers the first connection of a boot alone.
pub const NSM: u32 = 7071;
