//! Hex of a fixed length, with a problem that says what to write instead.

/// `N` bytes from `2 × N` hex digits.
pub(crate) fn array<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(format!("is not {} hex digits ({N} bytes)", 2 * N)),
    }
}
