//! A connection's turn to send: control packets first, then data, from its socket straight into the guest's
//! buffers.

use super::connection::Connection;
use super::packet::{HEADER_SIZE, Header, MAX_DATA};
use super::ring::{Chain, Ring};

/// The most packets with data in one turn.
const TURN: usize = 64;

/// A buffer of the guest's for one header. One that cannot hold it is given back empty, and the next one
/// tried.
pub(super) fn take_header_room<'m>(ring: &mut Ring<'_, 'm>) -> Option<Chain<'m>> {
    loop {
        let chain = ring.take_writable(HEADER_SIZE)?;
        if chain.buffers.len() == HEADER_SIZE {
            return Some(chain);
        }
        ring.give_back(&chain, 0);
    }
}

/// Fills it with a header, and gives it back.
pub(super) fn give_header(ring: &mut Ring<'_, '_>, chain: &Chain<'_>, header: &Header) {
    chain.buffers.copy_from(&header.encode());
    ring.give_back(chain, HEADER_SIZE as u32);
}

/// Sends what a connection has, up to a turn's worth; `false` if the ring had no room for the first of it.
pub(super) fn take_turn(connection: &mut Connection, ring: &mut Ring<'_, '_>) -> bool {
    let credit = connection.readable_now() as usize;
    while connection.has_control() {
        let Some(chain) = take_header_room(ring) else {
            return false;
        };
        give_header(ring, &chain, &connection.next_control());
    }
    credit == 0 || send_data(connection, ring, credit)
}

/// Reads from the connection's socket straight into as many of the guest's buffers as a turn, its credit and
/// the ring allow.
fn send_data(connection: &mut Connection, ring: &mut Ring<'_, '_>, credit: usize) -> bool {
    let mut chains = Vec::with_capacity(TURN);
    let mut room = 0;
    while chains.len() < TURN
        && room < credit
        && let Some(mut chain) = ring.take_writable(HEADER_SIZE + MAX_DATA.min(credit - room))
    {
        let header = chain.buffers.split_to(HEADER_SIZE);
        room += chain.buffers.len();
        chains.push((header, chain));
    }
    let read = if room == 0 {
        0
    } else {
        connection.read(chains.iter().map(|(_, chain)| &chain.buffers), room)
    };
    let mut left = read;
    let mut given = 0;
    for (header, chain) in &chains {
        let len = left.min(chain.buffers.len());
        if len > 0 {
            header.copy_from(&connection.data_header(len as u32).encode());
            ring.give_back(chain, (HEADER_SIZE + len) as u32);
        } else if room == 0 || left > 0 {
            // It cannot hold data.
            ring.give_back(chain, 0);
        } else {
            break;
        }
        left -= len;
        given += 1;
    }
    ring.untake(chains.len() - given);
    !chains.is_empty()
}
