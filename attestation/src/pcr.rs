//! Platform configuration registers.

use crate::crypto;

/// Bytes of a PCR: a SHA-384 hash.
pub const PCR_LEN: usize = 48;

/// PCRs that a Nitro Secure Module has: 0 to 31.
pub const PCR_COUNT: u8 = 32;

/// The value of a PCR.
pub type Pcr = [u8; PCR_LEN];

/// A PCR that was never extended, or that debug mode withholds.
pub(crate) const ZERO: Pcr = [0; PCR_LEN];

/// The PCR after `data` was extended into it: SHA-384(pcr ‖ data), as `NSM ExtendPCR` does.
#[must_use]
pub fn extend(pcr: &Pcr, data: &[u8]) -> Pcr {
    crypto::default().sha384(&[pcr, data])
}

/// PCR4 of every enclave of the EC2 instance `instance_id` (`i-…`): SHA-384(48 zero bytes ‖ instance id).
#[must_use]
pub fn pcr4_of(instance_id: &str) -> Pcr {
    extend(&ZERO, instance_id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_extension_is_the_hash_of_nothing_after_zeros() {
        // PCR2 of an image of one ramdisk: the builder hashes the empty rest of the ramdisks, then extends a zero PCR.
        let pcr2 = extend(&ZERO, &crypto::default().sha384(&[]));
        assert!(hex::encode(pcr2).starts_with("21b9efbc"));
    }

    #[test]
    fn pcr4_measures_the_instance() {
        // Of a genuine document of 2021.
        assert_eq!(
            hex::encode(pcr4_of("i-078824548edcf6519")),
            "8a4d049b4193ab1554c7c63e9ec581b481fd80c8c2b643f65a4fb0eb2fafeb574bd5e7b04f2e9212ff15729129330a47"
        );
    }
}
