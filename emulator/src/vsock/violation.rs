//! What a guest may not do.

/// The guest broke the protocol, in this way: its connection is reset.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation(pub &'static str);
