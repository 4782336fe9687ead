//! Canonical CBOR: one encoding for one value, so that a hash of it means something.
//!
//! A value is a map with small integer keys in ascending order, definite lengths and the shortest heads (RFC 8949,
//! section 4.2.1, core deterministic encoding). Strictness is kept in the simplest way there is: what was decoded is
//! encoded again and must give the same bytes, which refuses unknown and repeated keys, other orders, longer heads,
//! indefinite lengths and trailing bytes alike.

use minicbor::{Decode, Encode};

/// Why bytes are not the canonical encoding of what was expected.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// larger than its bound
    #[error("{what}: {found} bytes, at most {limit} are taken")]
    TooLong {
        /// What was read.
        what: &'static str,
        /// Its size in bytes.
        found: usize,
        /// The bound in bytes.
        limit: usize,
    },
    /// not the expected structure
    #[error("{what}: not the expected CBOR: {source}")]
    Malformed {
        /// What was read.
        what: &'static str,
        /// Where it ended.
        source: minicbor::decode::Error,
    },
    /// the right structure in another encoding
    #[error(
        "{0}: not in canonical form (unknown or repeated key, other order or length form, trailing bytes)"
    )]
    NotCanonical(&'static str),
    /// a field out of its bounds
    #[error("{what}: {field} {problem}")]
    Field {
        /// What was read.
        what: &'static str,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// The canonical encoding of `value`.
pub(crate) fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    match minicbor::encode(value, &mut bytes) {
        Ok(()) => bytes,
        // Writing to a Vec is infallible, and none of our types' encoders fail on their own.
        Err(error) => match error.into_write() {
            Some(infallible) => match infallible {},
            None => Vec::new(),
        },
    }
}

/// Reads a value from its canonical encoding, of at most `limit` bytes.
pub(crate) fn decode<'b, T>(what: &'static str, bytes: &'b [u8], limit: usize) -> Result<T, CanonicalError>
where
    T: Decode<'b, ()> + Encode<()>,
{
    if bytes.len() > limit {
        return Err(CanonicalError::TooLong {
            what,
            found: bytes.len(),
            limit,
        });
    }
    let value: T = minicbor::decode(bytes).map_err(|source| CanonicalError::Malformed { what, source })?;
    if encode(&value) != bytes {
        return Err(CanonicalError::NotCanonical(what));
    }
    Ok(value)
}
