//! The Nitro attestation document: parsing, verification, policy. Pure: no I/O, no clock.
