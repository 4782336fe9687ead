//! What the host's sockets have to say: connections, and programs that ask for one.

use super::ports::{PORT_ANY, Ports};
use super::{MAX_CONNECTIONS, PARENT_CID, Switch};
use crate::vsock::connection::Connection;
use crate::vsock::packet::{Header, STREAM};
use std::io;
use std::os::fd::AsRawFd;
use vmm_sys_util::epoll::{ControlOperation, EpollEvent, EventSet};

/// Where the ports of the host's own connections begin.
pub(super) const FIRST_HOST_PORT: u32 = 1 << 30;

impl Switch {
    /// Takes what the host's sockets have to say, and says whether there was anything.
    pub fn poll_host(&mut self) -> bool {
        let mut events = [EpollEvent::default(); 64];
        let count = self.epoll.wait(0, &mut events).unwrap_or(0);
        for event in events.iter().take(count) {
            let ports = Ports::from_token(event.data());
            match ports {
                Ports::LISTENER => self.accept_programs(),
                Ports {
                    host: knock,
                    guest: PORT_ANY,
                } => self.hear_knock(knock),
                ports => self.note_event(ports, event.event_set()),
            }
        }
        count > 0
    }

    fn note_event(&mut self, ports: Ports, event: EventSet) {
        let Some(connection) = self.connections.get_mut(&ports) else {
            return;
        };
        connection.note_readable(event.intersects(EventSet::READ_HANG_UP | EventSet::HANG_UP));
        if event.contains(EventSet::HANG_UP) {
            connection.note_hang_up();
        }
        if event.intersects(EventSet::OUT | EventSet::HANG_UP) {
            connection.flush();
        }
        self.settle(ports);
    }

    fn accept_programs(&mut self) {
        while self.connections.len() + self.knocks.len() < MAX_CONNECTIONS {
            match self.listener.accept() {
                Ok(Some(knock)) => {
                    let port = self.next_port(PORT_ANY);
                    let ports = Ports {
                        host: port,
                        guest: PORT_ANY,
                    };
                    if self.watch(ControlOperation::Add, knock.stream(), ports).is_ok() {
                        self.knocks.insert(port, knock);
                    }
                }
                Ok(None) => return,
                Err(_) => break,
            }
        }
        // No room here or in the process: whoever still waits is heard when a connection has ended.
        let event = EpollEvent::new(EventSet::IN, Ports::LISTENER.token());
        self.listening = self
            .epoll
            .ctl(ControlOperation::Delete, self.listener.as_raw_fd(), event)
            .is_err();
    }

    pub(super) fn listen(&mut self) -> io::Result<()> {
        if !self.listening {
            let event = EpollEvent::new(EventSet::IN, Ports::LISTENER.token());
            self.epoll
                .ctl(ControlOperation::Add, self.listener.as_raw_fd(), event)?;
            self.listening = true;
        }
        Ok(())
    }

    /// A program of the host says which port of the guest it wants.
    fn hear_knock(&mut self, port: u32) {
        let Some(mut knock) = self.knocks.remove(&port) else {
            return;
        };
        let guest_port = match knock.port() {
            Ok(Some(guest_port)) if guest_port != PORT_ANY => guest_port,
            Ok(None) => {
                self.knocks.insert(port, knock);
                return;
            }
            _ => {
                // It is hung up on, and the table has room again.
                let _ = self.listen();
                return;
            }
        };
        let ports = Ports {
            host: self.next_port(guest_port),
            guest: guest_port,
        };
        let address = Header {
            src_cid: PARENT_CID,
            dst_cid: u64::from(self.cid),
            src_port: ports.host,
            dst_port: ports.guest,
            kind: STREAM,
            ..Header::default()
        };
        self.insert(
            ports,
            Connection::requested(knock.into_stream(), address),
            ControlOperation::Modify,
        );
    }

    /// A port of the host that has no connection to `guest`, nor a program waiting.
    fn next_port(&mut self, guest: u32) -> u32 {
        loop {
            let port = self.next_host_port;
            self.next_host_port = if port == PORT_ANY - 1 {
                FIRST_HOST_PORT
            } else {
                port + 1
            };
            if !self.knocks.contains_key(&port)
                && !self.connections.contains_key(&Ports { host: port, guest })
            {
                return port;
            }
        }
    }
}
