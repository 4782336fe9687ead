//! The names of sockets that are watched.

/// `VMADDR_PORT_ANY`, which is no port.
pub(super) const PORT_ANY: u32 = u32::MAX;

/// What a watched socket is: the two ports of a connection; or (`guest` is [`PORT_ANY`]) a program that has yet to say
/// which port it wants; or the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ports {
    pub(super) host: u32,
    pub(super) guest: u32,
}

impl Ports {
    pub(super) const LISTENER: Ports = Ports {
        host: PORT_ANY,
        guest: PORT_ANY,
    };

    pub(super) fn token(self) -> u64 {
        u64::from(self.guest) << 32 | u64::from(self.host)
    }

    pub(super) fn from_token(token: u64) -> Ports {
        Ports {
            host: token as u32,
            guest: (token >> 32) as u32,
        }
    }
}
